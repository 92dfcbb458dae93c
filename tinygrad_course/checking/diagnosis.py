"""Why a value is wrong: the one mistake that turns the right line into what the learner has.

`explain` tries the mistakes of `operands` on every operation behind a wrong value, down to the
learner's own values, and keeps those that give exactly what they handed in. A mistake in a value
that was not handed in must explain all that depend on it. Of several the likeliest is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .judgement import WRONG, Judgement, difference, ratio
from .mutations import Mutation, Scene, near
from .operands import mistakes
from .tape import CALL, Tape
from .wording import Words

Array = NDArray[Any]

# How many numbers may be handled in the search for one mistake: some seconds.
BUDGET = 500_000_000
# From this much on, a smaller value is asked first.
LARGE = 5_000_000


@dataclass(frozen=True)
class Explanation:
    """What is wrong with a value.

    Attributes:
        kind: the kind of mistake.
        sentence: the diagnosis.
        culprit: the value in whose line the mistake is.
        explained: all wrong values that the mistake accounts for.
        node: the operation with the mistake.
        value: what it yields with it; None where that is not known.
    """

    kind: str
    sentence: str
    culprit: int
    explained: tuple[int, ...]
    node: int = -1
    value: Array | None = None


@dataclass(frozen=True)
class _Match:
    """A mistake that gives what the learner has, with its factors."""

    mutation: Mutation
    c: float
    scale: float
    explained: tuple[int, ...]
    cost: float
    alone: bool = False


def explain(judgement: Judgement, index: int, words: Words) -> Explanation | None:
    """Return the likeliest mistake behind a wrong value, None when none fits."""
    simple = _at_first_sight(judgement, index, words)
    if simple is not None:
        return simple
    match = _Search(judgement, index).best()
    if match is None:
        # Perhaps the line computes anew what it could have read.
        match = _Search(judgement, index, alone=True).best()
    if match is None:
        return _rounded(judgement, index, words)
    return _explanation(judgement, index, match, words)


def _rounded(j: Judgement, index: int, words: Words) -> Explanation | None:
    mine, right = j.given[index], j.computed[index]
    if right is None or not mine.whole or mine.value is None or np.all(right == np.round(right)):
        return None
    return Explanation(
        "dtype",
        f"{words.name(index)} is an array of whole numbers: something rounded it. Make the array "
        "that it is written into one of floats, such as np.zeros(shape).",
        index, (index,),
    )  # fmt: skip


def _at_first_sight(j: Judgement, index: int, words: Words) -> Explanation | None:
    mine = j.given[index]
    right = j.computed[index]
    raw = mine.raw
    name = words.name(index)
    bad = int(np.count_nonzero(~np.isfinite(raw)))
    if bad and right is not None and np.all(np.isfinite(right)):
        what = "NaN" if np.isnan(raw).any() else "inf"
        where = f"{bad} of {raw.size} entries" if raw.size > 1 else "its only entry"
        return Explanation(
            "nan",
            f"{name} has {what} at {where}, by overflow, 0/0 or log(0): look for exp of large "
            "numbers, and for divisions by A or 1 − A where A is 0 or 1.",
            index, (index,),
        )  # fmt: skip
    if right is None:
        return None
    if raw.size and not np.any(raw) and np.any(right):
        return Explanation(
            "zero",
            f"{name} is zero everywhere: was it ever computed, or only made with np.zeros?",
            index, (index,),
        )  # fmt: skip
    if mine.value is None and raw.size == right.size:
        value = raw.reshape(right.shape) * j.factor[index]
        if j.agrees(value, right, index, j.reads, j.given):
            kind = "transpose" if raw.shape == right.shape[::-1] and raw.ndim == 2 else "shape"
            return Explanation(kind, words.misshapen(index, raw), index, (index,))
    return None


class _Search:
    """Looks for the mistake behind one value.

    Args:
        judgement: the learner's values.
        index: the value to be explained.
        alone: look behind the learner's own dZ and dA too: the line may not have used them.
    """

    def __init__(self, judgement: Judgement, index: int, alone: bool = False) -> None:
        self.j = judgement
        self.tape = judgement.tape
        self.index = index
        self.alone = alone
        given: list[int] = list(judgement.given)
        if alone:
            given = [i for i in given if not self.tape.is_scaled(i)]
        self.regions: dict[int, list[int]] = {}
        self.recipes: dict[int, list[int]] = {}
        for i in judgement.given:
            self.recipes[i] = self._recipes(i)
            for recipe in self.recipes[i]:
                self.regions[recipe] = self.tape.region(recipe, given)
        self.sets = {i: set(region) for i, region in self.regions.items()}
        self.mine = np.asarray(judgement.value(index))
        self.before = min(difference(self.mine, self._computed(r)) for r in self.recipes[index])
        self.paths: dict[tuple[int, int], tuple[list[int], int]] = {}
        self.probes: dict[int, tuple[int, int] | None] = {}
        self.spent = 0
        self.usual = usual(self.tape)

    def _computed(self, recipe: int) -> Any:
        value = self.j.computed[recipe]
        return np.nan if value is None else value

    def _recipes(self, index: int) -> list[int]:
        """Return the recipes of a value; of one that is no error, the one it followed."""
        found = self.tape.recipes(index)
        if self.j.state[index] != WRONG:
            mine = self.j.value(index)
            followed = [r for r in found if difference(mine, self._computed(r)) <= self.j.tolerance]
            return followed[:1]
        return found

    def best(self) -> _Match | None:
        """Return the likeliest mistake that fits.

        Operations that the most errors depend on come first: a mistake there would explain most.
        """
        best: _Match | None = None
        scenes = {r: Scene(self.j, r, self.regions[r]) for r in self.recipes[self.index]}
        for shared, node, recipe in self._candidates():
            if self.spent > BUDGET or (best is not None and self._settles(best, shared)):
                break
            for mutation in (*mistakes(scenes[recipe], node), *self._in_another_recipe(node)):
                found = self._try(mutation, recipe)
                if found is not None and (best is None or self._rank(found) < self._rank(best)):
                    best = found
        return best

    def _candidates(self) -> list[tuple[int, int, int]]:
        """Return how many errors depend on an operation, the operation, and the recipe it is in."""
        cleared = self._cleared()
        found: dict[int, tuple[int, int, int]] = {}
        for recipe in self.recipes[self.index]:
            for node in self.regions[recipe]:
                if node not in cleared and node not in found:
                    found[node] = self._errors(node), node, recipe
        return sorted(found.values(), key=lambda f: (-f[0], -f[1]))

    def _errors(self, node: int) -> int:
        if self.alone:
            return 1
        return sum(
            any(node in self.sets[r] for r in self.recipes[i])
            for i, state in self.j.state.items()
            if state == WRONG
        )

    def _cleared(self) -> set[int]:
        """Return the operations that stand behind a value without error: they are right."""
        if self.alone:
            return set()
        return {
            node
            for i, recipes in self.recipes.items()
            if self.j.state[i] != WRONG
            for recipe in recipes
            for node in self.sets[recipe]
        }

    def _settles(self, match: _Match, shared: int) -> bool:
        """Return True when operations that `shared` errors depend on have nothing better."""
        explained = len(match.explained)
        return explained > shared or (match.cost <= 2.0 and explained == len(self.j.wrong))

    def _in_another_recipe(self, index: int) -> Iterator[Mutation]:
        """Yield the mistakes in the other recipe of a value that was not handed in."""
        again = self.tape.also.get(index)
        if again is None or index in self.j.given:
            return
        region = self.tape.region(again, self.j.given)
        scene = Scene(self.j, again, region)
        for node in reversed([i for i in region if self.tape.is_linked(i)]):
            path = self.tape.path(node, again, region)
            for mutation in mistakes(scene, node):
                value = self.tape.rerun(node, mutation.value, path, self.j.reads)
                if value is None:
                    continue
                direction = None
                if mutation.direction is not None:
                    moved = self.tape.rerun(
                        node, mutation.value + mutation.direction, path, self.j.reads
                    )
                    if moved is None or moved.shape != value.shape:
                        continue
                    direction = moved - value
                yield replace(
                    mutation, node=index, value=value, direction=direction, cost=mutation.cost + 0.2
                )

    def _rank(self, match: _Match) -> tuple[int, float, int]:
        # The simplest form of an equation is the one people know.
        cost = match.cost + 0.2 * self.tape.is_linked(match.mutation.node)
        if self.tape.nodes[self.index].is_backward:
            # A mistake in the forward pass would show in more than one place.
            cost += 1.5 * (not self.tape.nodes[match.mutation.node].is_backward)
        return -len(match.explained), cost, -match.mutation.node

    def _try(self, mutation: Mutation, recipe: int) -> _Match | None:
        if not self._is_plausible(mutation, recipe):
            return None
        got = self._after(mutation.node, mutation.value, recipe)
        if mutation.direction is not None:
            return self._with_factor(mutation, got, recipe)
        if got is None:
            return None
        if self.fits(self.mine, got):
            return self._everywhere(mutation, 1.0, 1.0, mutation.cost)
        scale = _ratio(self.mine, got)
        if scale in (0.0, 1.0) or not self.is_usual(scale):
            return None
        if self.mine.size < 2 or mutation.kind == "factor":
            return None
        if not self.fits(self.mine, got * scale):
            return None
        return self._everywhere(mutation, 1.0, scale, mutation.cost + 2.5)

    def _is_plausible(self, mutation: Mutation, recipe: int) -> bool:
        """Return False when a smaller value that is wrong too rules a mistake out.

        Of a large dW1 = dZ1 Xᵀ and db1 = Σ dZ1, the latter tells sooner.
        """
        probe = self._probe(mutation.node, recipe)
        if probe is None:
            return True
        i, small = probe
        mine = np.asarray(self.j.value(i))
        got = self._after(mutation.node, mutation.value, small)
        if mutation.direction is not None:
            moved = self._after(mutation.node, mutation.value + mutation.direction, small)
            if got is None or moved is None or got.shape != moved.shape:
                return False
            c = _ratio(mine - got, moved - got) if mine.shape == got.shape else 0.0
            got = got + c * (moved - got)
        if got is None or got.shape != mine.shape:
            return False
        apart = min(difference(mine, got), difference(mine, got * _ratio(mine, got)))
        return apart <= 1e3 * self.j.tolerance

    def _probe(self, node: int, recipe: int) -> tuple[int, int] | None:
        """Return a wrong value, and its node, that a mistake changes at little cost."""
        if node not in self.probes:
            found = None
            if not self.alone and self._work(node, recipe) > LARGE:
                for i, recipes in self.recipes.items():
                    wrong = i != self.index and self.j.state[i] == WRONG
                    size = self.j.given[i].raw.size
                    if wrong and size >= 8 and node in self.sets[recipes[0]]:
                        if self._work(node, recipes[0]) < self._work(node, recipe) / 4:
                            found = i, recipes[0]
            self.probes[node] = found
        return self.probes[node]

    def _with_factor(self, mutation: Mutation, base: Array | None, recipe: int) -> _Match | None:
        """Find c of a mistake value + c · direction; it must act on the target linearly."""
        assert mutation.direction is not None
        moved = self._after(mutation.node, mutation.value + mutation.direction, recipe)
        if base is None or moved is None or base.shape != moved.shape:
            return None
        if _squeezed(base) != _squeezed(self.mine):
            return None
        c = ratio(np.reshape(self.mine, base.shape) - base, moved - base)
        plain = mutation.kind == "factor"
        if c == 0.0 or (plain and near(c, 1.0)):
            return None
        if self.mine.size < (2 if plain else 3) and not self.is_usual(c):
            return None
        got = self._after(mutation.node, mutation.value + c * mutation.direction, recipe)
        if got is None or not self.fits(self.mine, got):
            return None
        return self._everywhere(
            mutation, c, 1.0, mutation.cost + (0.0 if self.is_usual(c) else 2.0)
        )

    def _after(self, node: int, value: Array, to: int) -> Array | None:
        """Return what a value becomes when an operation yields another one."""
        self.spent += self._work(node, to) + value.size
        path = self.paths[node, to][0]
        if not path and node != to:
            return None
        return self.tape.rerun(node, value, path, self.j.reads)

    def _work(self, node: int, to: int) -> int:
        """Return how much is to be computed from one node to another."""
        key = node, to
        if key not in self.paths:
            path = self.tape.path(node, to, self.regions[to])
            self.paths[key] = path, CALL + sum(map(self.tape.work, path))
        return self.paths[key][1]

    def fits(self, mine: Array, got: Array) -> bool:
        """Return True when a mistake gives what the learner has."""
        if mine.shape != got.shape:
            if _squeezed(mine) != _squeezed(got):
                return False
            got = got.reshape(mine.shape)
        apart = difference(mine, got)
        return apart <= self.j.tolerance and apart <= 0.01 * self.before

    def is_usual(self, c: float) -> bool:
        """Return True for a factor that mistakes have: 2, m, 1/m …."""
        return any(near(c, u) for u in self.usual)

    def _everywhere(self, mutation: Mutation, c: float, scale: float, cost: float) -> _Match | None:
        """Return the match unless it contradicts another value of the learner's."""
        value = mutation.value
        if mutation.direction is not None:
            value = value + c * mutation.direction
        if self.alone:
            return _Match(mutation, c, scale, (self.index,), cost, alone=True)
        explained = []
        for i in self.j.given:
            wrong = self.j.state[i] == WRONG
            touched = [r for r in self.recipes[i] if mutation.node in self.sets[r]]
            if not touched:
                continue
            fitting = any(self._stays(i, r, mutation.node, value, scale) for r in touched)
            if fitting and wrong:
                explained.append(i)
            elif not fitting and not wrong:
                return None
        if self.index not in explained:
            return None
        return _Match(mutation, c, scale, tuple(explained), cost)

    def _stays(self, i: int, recipe: int, node: int, value: Array, scale: float) -> bool:
        """Return True when a value is as the learner has it also with the mistake."""
        got = self._after(node, value, recipe)
        if got is None:
            return False
        mine = np.asarray(self.j.value(i))
        if self.j.state[i] != WRONG:
            return difference(mine, got) <= self.j.tolerance
        return self.fits(mine, got * scale)


def _ratio(a: Array, b: Array) -> float:
    if _squeezed(a) != _squeezed(b):
        return 0.0
    return ratio(a, b.reshape(a.shape))


def _squeezed(a: Array) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n != 1)


def usual(tape: Tape) -> tuple[float, ...]:
    """Return the factors that mistakes usually have: 2, m, and the numbers of the program."""
    m = tape.m
    plain = [2.0, 3.0, 4.0, 5.0, 10.0, 0.5, 1 / 3, 0.25, 0.1, 1.0]
    plain += [k * f for k in (1.0, 2.0, 0.5) for f in (m, 1 / m, m * m, 1 / m**2)] if m else []
    for node in tape.nodes:
        if node.role == "constant" and node.value is not None and np.size(node.value) == 1:
            number = abs(float(np.asarray(node.value).item()))
            if number and np.isfinite(number):
                plain += [number, 1 / number]
    found = {round(k, 12): k for k in plain}
    return tuple(s * k for k in found.values() for s in (1.0, -1.0))


def _explanation(j: Judgement, index: int, match: _Match, words: Words) -> Explanation:
    mutation = match.mutation
    culprit = index if match.alone else _culprit(j, index, mutation.node)
    kind = mutation.kind
    if kind == "factor" and near(match.c, -1.0):
        kind = "sign"
    elif kind == "term" and near(match.c, -1.0):
        kind = "sign"
    sentence = words.sentence(mutation, culprit, match.c, match.scale)
    others = [i for i in match.explained if i not in (index, culprit)]
    if culprit != index:
        inherit = words.names([index, *others])
        verb = "inherits" if len(others) == 0 else "inherit"
        sentence = f"{sentence} {inherit} {verb} it."
    value = None
    if match.scale == 1.0 and not match.alone:
        value = mutation.value
        if mutation.direction is not None:
            value = value + match.c * mutation.direction
    return Explanation(kind, sentence, culprit, match.explained, mutation.node, value)


def _culprit(j: Judgement, index: int, node: int) -> int:
    """Return the value in whose line a mistake is, as the learner would see it.

    That is a value that was not handed in only when it has a line of its own, and more than one of
    those handed in depend on it.
    """
    tape = j.tape
    found = tape.owner(node, index)
    while found != index and found not in j.given:
        users = [i for i in j.given if found in tape.behind(i, j.given)]
        same_pass = tape.nodes[found].is_backward == tape.nodes[index].is_backward
        if tape.has_line(found) and (users != [index] or not same_pass):
            break
        following = [k for k in tape.users[found] if k in tape.behind(index)]
        if not following:
            break
        found = tape.owner(min(following), index)
    return found if found in tape.called else index
