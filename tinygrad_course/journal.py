"""What a traced function does besides computing: writes to tensors, and backward passes.

A graph knows values, not memory. While a function is traced (see `tracing`), a `Journal` notes
which leaf got which new value and when, so that whoever reads the leaf later is known to read the
new one; which leaves the function made itself; and which derivative belongs to which tensor.

Here is also the refusal of what a trace cannot follow: a program that looks at a value.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeAlias

from . import errors
from .messages import user_line
from .node import TRACING, Node, births, last_write, recording, scope, tick

if TYPE_CHECKING:
    from .tensor import Tensor

    Source: TypeAlias = "Node | Tensor"

# While a training step is recorded, a list is set here: whoever gives a state (a parameter, a
# moment, a count, a running statistic) its new value adds (state, new value), before writing.
assignments: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("assignments", default=None)

FOREVER = 2**63


class Journal(list[tuple[Any, Any]]):
    """The (state, new value) pairs of a traced function, in the order of the writes.

    Attributes:
        old: state -> a copy of its array from before the first write.
        born: the leaves made while tracing.
        passes: the backward passes, in order.
        graded: the leaves that got a ``.grad`` -> the one they had before.
        cleared: the leaves whose ``.grad`` was forgotten before they got one.
        skipped: the parameters that an optimizer left alone, since they had no ``.grad``.
        parts: a state that belongs to a tensor, such as a moment -> (the tensor, what it is).
        afterwards: what to call when the function has returned.
        refresh: a leaf that stands for a Python number, such as a learning rate -> what returns it.
        commits: what a replay of the step must do besides computing, such as counting steps.
        optimizers: those that took a step.
        expected: (a tensor, what its values are taken to fulfil), such as labels within 0 … C−1.
        unrepeatable: why a replay cannot do what the function did, or empty.
        counts: the states of parameters whose steps were counted, with their counts before.
        silent: True while the trace differentiates by itself: it must not call the user's hooks.
    """

    def __init__(self) -> None:
        """Start with nothing noted."""
        super().__init__()
        self.old: dict[Tensor, Any] = {}
        self.born: set[Tensor] = set()
        self.passes: list[Pass] = []
        self.graded: dict[Tensor, Tensor | None] = {}
        self.cleared: dict[Tensor, None] = {}
        self.skipped: dict[Tensor, None] = {}
        self.parts: dict[Tensor, tuple[Tensor, str]] = {}
        self.afterwards: list[Callable[[], None]] = []
        self.refresh: dict[Tensor, Callable[[], float]] = {}
        self.commits: list[Callable[[], None]] = []
        self.optimizers: dict[Any, None] = {}
        self.counts: list[tuple[dict[str, Any], int]] = []
        self.expected: list[tuple[Tensor, Callable[[Any], bool]]] = []
        self.unrepeatable = ""
        self.silent = False
        # Leaf -> when it got which value, and whether that was an assignment to a state.
        self._versions: dict[Tensor, list[tuple[int, Source, bool]]] = {}

    def append(self, pair: tuple[Any, Any]) -> None:
        """Note that a state is about to get its new value."""
        state, new = pair
        super().append(pair)
        self._version(state, new, True)

    def overwrite(self, x: Tensor, new: Tensor) -> None:
        """Note that a leaf is about to be overwritten in place."""
        if x in self.born:
            self._version(x, new, False)
        else:
            self.append((x, new))

    def _version(self, x: Tensor, new: Tensor, assigned: bool) -> None:
        self.old.setdefault(x, x._data.copy())
        self._versions.setdefault(x, []).append((tick(), new._node or new, assigned))

    def same(self, x: Tensor, of: Source) -> None:
        """Note that from now on the leaf `x` has the value of another tensor or node."""
        source = of if isinstance(of, Node) else of._node or of
        self._versions.setdefault(x, []).append((tick(), source, False))

    def source(self, x: Any, time: int = FOREVER) -> tuple[Any, bool]:
        """Return what the leaf `x` stands for at a time, and whether a state was assigned to."""
        assigned = False
        while not isinstance(x, Node) and x in self._versions:
            versions = self._versions[x]
            k = bisect_left(versions, time, key=_time)
            if k == 0:
                break
            time, x, written = versions[k - 1]
            assigned = assigned or written
        return x, assigned

    def is_constant(self, source: Source) -> bool:
        """Return whether a value was computed from numbers in the function alone."""
        seen = set()
        stack: list[tuple[Any, int]] = [(source, FOREVER)]
        while stack:
            of, _ = self.source(*stack.pop())
            if isinstance(of, Node):
                if of not in seen:
                    seen.add(of)
                    stack += [(x, of.time) for x in of.inputs if hasattr(x, "_data")]
            elif of not in self.born:
                return False
        return True

    def forget(self, leaf: Tensor) -> None:
        """Note that the ``.grad`` of a leaf is forgotten."""
        if leaf not in self.graded and leaf not in self.skipped:
            self.cleared[leaf] = None

    def undo(self) -> None:
        """Give every leaf the values and the ``.grad`` back that it had before."""
        for x, array in reversed(self.old.items()):  # some may share memory
            x._data[...] = array
            x._stamp()[0] = last_write[0] = tick()
        for leaf, before in self.graded.items():
            leaf.grad = before
        for entry, count in self.counts:
            entry["step"] = count

    def differentiate(self, roots: list[Tensor]) -> Pass:
        """Start noting a backward pass."""
        self.passes.append(Pass(roots, calls_hooks=not self.silent))
        return self.passes[-1]


def _time(version: tuple[int, Any, bool]) -> int:
    return version[0]


class Pass:
    """One recorded backward pass.

    Attributes:
        roots: what was differentiated.
        start, end: when.
        cotangents: (tensor or node, its derivative, whether it was asked for).
        pulls: (time, the node whose derivative rules ran from then on).
        calls_hooks: whether the user's hooks are called.
    """

    def __init__(self, roots: list[Tensor], calls_hooks: bool = True) -> None:
        """Start the pass."""
        self.calls_hooks = calls_hooks
        self.roots: list[Source] = [y._node or y for y in roots]
        self.start = tick()
        self.end = FOREVER
        self.cotangents: list[tuple[Source, Tensor, bool]] = []
        self.pulls: list[tuple[int, Node]] = []
        self._scope: Token[Any] | None = scope.set(scope.get())

    def see(self, node: Node, g: Tensor) -> None:
        """Note the cotangent of a node whose derivative rules run next, as part of its module."""
        self.cotangents.append((node, g, False))
        self.pulls.append((tick(), node))
        scope.set(node.scope)

    def result(self, of: Source, g: Tensor) -> None:
        """Note a derivative that was asked for."""
        self.cotangents.append((of, g, True))

    def stop(self) -> None:
        """Note that all derivative rules have run."""
        if self._scope is not None:
            scope.reset(self._scope)
            self._scope = None
        self.close()

    def close(self) -> None:
        """End the pass: what is recorded now does not belong to it."""
        self.end = tick()


def active() -> Journal | None:
    """Return the journal of the function that is being traced, if one is."""
    found = assignments.get()
    return found if type(found) is Journal else None


@contextmanager
def keeping(journal: Journal, mode: int) -> Iterator[Journal]:
    """Keep a journal inside a ``with`` block, and record in `mode`."""
    noted, recorded, outer = assignments.set(journal), recording.set(mode), scope.set(None)
    births.append(journal.born)
    try:
        yield journal
    finally:
        births[:] = [born for born in births if born is not journal.born]
        scope.reset(outer)
        recording.reset(recorded)
        assignments.reset(noted)


def look(x: Tensor, what: str) -> None:
    """Refuse to give out the value of `x` while a function is traced, unless it is a constant."""
    journal = active()
    if not recording.get() & TRACING or journal is None:
        return
    if journal.is_constant(x._node or x):
        return
    if x.name:
        called = f"of {x.name!r}"
    elif x._node is not None:
        called = f"that {x._node.op.name!r} computed"
    else:
        called = f"of a tensor of shape {x.shape}"
    raise errors.TraceError(
        f"{what}: the value {called} is asked for at {user_line()}, while the function is traced. "
        "Its graph must hold for other values too, so the program cannot depend on this one. "
        "Choose with tc.where(condition, a, b); or do this outside of the traced function. "
        "Printing a tensor is fine."
    )
