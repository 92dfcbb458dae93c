"""The picture of a compiled function: what runs, and where its values lie.

Each card is what runs as one: a fused loop of machine code, or calls of NumPy whose results nobody
else reads. Its lines are the equations that it computes; the plate behind a line says where the
result lies. Loops that share a compiled function stand in one frame. The forward pass runs to the
right, the backward pass below it back to the left. After ``step.profile()`` cards tell their times.

`Program` decides what to show; `viz.dot` knows how a card looks, `viz.sketch` writes the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tinygrad_course.compiling.parts import IN_PLACE, NEW, Equation, Part, View
from tinygrad_course.errors import ArgumentError
from tinygrad_course.graph import GraphNode
from viz import dot, formula, style
from viz.sketch import Path, Sketch

# Arrows from a value of the forward pass to where the backward pass reads it.
_READ = {"color": f"{style.BLUE}70", "penwidth": "0.8", "arrowsize": "0.55"}
# Frames of the two passes; a user's module cannot be called so.
_FORWARD, _BACKWARD = "\0forward", "\0backward"
_ROLES = {"state": "update", "output": "forward"}
_PLATES = {"#": "buffer", "@": "memory from this byte on"}


@dataclass
class _Card:
    """What is drawn as one box.

    Attributes:
        parts: what it runs, with the place of each in the program.
        equations: its lines.
        nodes: what it computes.
        reads: the values of others that it reads.
    """

    parts: list[tuple[int, Part]]
    equations: list[Equation]
    nodes: list[int] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)

    @property
    def role(self) -> str:
        """The role of what it does; a value of the forward pass comes first."""
        roles = [e.role for e in self.equations]
        if "loss" in roles and ("forward" not in roles or roles[-1] == "loss"):
            return "loss"
        return "forward" if "forward" in roles else roles[-1]

    @property
    def begins(self) -> bool:
        """Whether the backward pass begins here: it computes a derivative too."""
        return any(e.role == "backward" for e in self.equations)


class Program:
    """Turns the parts of a program into cards and arrows.

    Args:
        compiled: a compiled function that has a program.
        buffers: whether lines say where their results lie.
        shapes: whether to write shapes.
        title: a line above the picture.

    Attributes:
        cards: in the order in which they run.
        sketch: the picture.
    """

    def __init__(self, compiled: Any, buffers: bool, shapes: bool, title: str | None) -> None:
        program = compiled._program().program
        self.view = View(program)
        self.graph = self.view.graph
        self.buffers, self.shapes = buffers, shapes
        self.sketch = Sketch()
        self.used: set[str] = set()
        self.marks: dict[str, str] = {}
        self.outer: Path = (title,) if title else ()
        profile = compiled._profile
        known = profile is not None and profile.program is program
        self.times = {k: row.seconds for k, row in enumerate(profile.rows)} if known else {}
        self.cards = self._cards()
        # An update alone has no forward pass: it is drawn as one.
        roles = {card.role for card in self.cards}
        self.forward = {"forward", "loss"} if roles & {"forward", "loss"} else roles
        self.card_of = {i: k for k, card in enumerate(self.cards) for i in card.nodes}

    # --- what to draw -----------------------------------------------------------------------

    def _cards(self) -> list[_Card]:
        parts = list(enumerate(self.view.parts()))
        if self.view.is_fused:
            return [_Card([(k, p)], p.equations, p.nodes, p.reads) for k, p in parts]
        # A call joins the one that alone reads its result.
        home: dict[int, int] = {}
        for _, part in reversed(parts):
            for i in part.nodes:
                reader = self._reader(i)
                home[i] = i if reader is None else home.get(reader, reader)
        together: dict[int, list[tuple[int, Part]]] = {}
        for k, part in parts:
            # A copy into a state is drawn with what computed the value.
            value = part.nodes[0] if part.nodes else self.view.root(part.equations[0].node)
            together.setdefault(home.get(value, -1 - k), []).append((k, part))
        made = []
        for members in together.values():
            nodes = [i for _, part in members for i in part.nodes]
            lines = self.view.equations(nodes) if nodes else []
            lines += [e for _, part in members if not part.nodes for e in part.equations]
            reads = {i for _, part in members for i in part.reads} - {*nodes}
            made.append(_Card(members, lines, nodes, reads))
        return sorted(made, key=lambda card: card.parts[-1][0])

    def _reader(self, i: int) -> int | None:
        """Return the call that a call is drawn with."""
        if not self.view.is_view(i):
            return self.view.only_reader(i)
        users = [node.index for node in self.graph if i in node.inputs]
        return users[0] if users else None

    def is_forward(self, card: _Card) -> bool:
        """Return whether a card stands in the forward pass."""
        return card.role in self.forward

    def refuse_too_many(self, max_nodes: int) -> None:
        """Raise when there is more to draw than was allowed."""
        if len(self.cards) > max_nodes:
            raise ArgumentError(
                f"draw: there are {len(self.cards)} groups to draw, more than "
                f"max_nodes={max_nodes}. Allow more with max_nodes={len(self.cards)}, or draw "
                "modules as boxes with groups=False, depth=1."
            )

    def draw(self, upward: bool) -> None:
        """Draw everything."""
        if self.outer:
            head = dot.html(dot.span(self.outer[0], size=style.SIZE, bold=True))
            plain = {"label": head, "labeljust": "c", "labelloc": "t", "color": style.PAPER}
            self.sketch.frame(self.outer, plain)
        paths = dict.fromkeys(self._path(card) for card in self.cards)
        # Graphviz stacks frames in the order of the text, which from left to right runs upward.
        for path in sorted(paths, key=lambda path: (path[-1] == _BACKWARD) != upward):
            plain = {"label": "", "color": "transparent", "fillcolor": "transparent"}
            self.sketch.frame(path, {**plain, "margin": "4"})
        for k in range(len(self.cards)):
            self._draw_card(k)
        inputs = {k: self._leaves(card) for k, card in enumerate(self.cards)}
        first: dict[int, int] = {}
        for k, leaves in inputs.items():
            mine = [i for i in leaves if first.setdefault(i, k) == k]
            if mine:
                self._draw_leaves(k, mine, upward)
        for k, card in enumerate(self.cards):
            for source in self._sources(card):
                self._arrow(source, k)
            for i in inputs[k]:
                if first[i] != k:  # read again
                    self.sketch.arrow(f"n{first[i]}:p{i}", f"g{k}")

    # --- cards ------------------------------------------------------------------------------

    def _draw_card(self, k: int) -> None:
        card = self.cards[k]
        self.used |= {e.role for e in card.equations}
        rows = []
        for e in card.equations:
            plate = self._plate(e) if self.buffers else ""
            rows.append((e.text, e.role, plate))
        seconds = [self.times[n] for n, _ in card.parts if n in self.times]
        total = sum(self.times.values()) or 1.0
        time = f"{_time(sum(seconds))} · {sum(seconds) / total:.0%}" if seconds else ""
        values = dot.card(self._head(card, k), rows, right=time, role=card.role)
        self.sketch.add(f"g{k}", values, self._path(card))

    def _path(self, card: _Card) -> Path:
        function = card.parts[0][1].function
        inner = (f"compiled function {function}",) if function else ()
        return (*self.outer, *inner, _FORWARD if self.is_forward(card) else _BACKWARD)

    def _head(self, card: _Card, k: int) -> str:
        part = card.parts[-1][1]
        count = len(card.parts)
        what = f"{count} call{'s' if count > 1 else ''}"
        if self.view.is_fused:
            what = "loop" if part.kind == "loop" else "NumPy"
        shape = formula.shape(part.shape) if self.shapes else ""
        return " · ".join(filter(None, [str(k + 1), what, shape]))

    def _plate(self, e: Equation) -> str:
        for place in e.places:
            if place[0] in _PLATES:
                self.marks.setdefault(place[0], place)
            else:
                self.marks.setdefault(place, place)
        return " ".join(e.places)

    # --- arrows -----------------------------------------------------------------------------

    def _values(self, roots: Iterable[int]) -> Iterator[GraphNode]:
        """Yield what values are computed from that has a box."""
        for root in sorted(roots):
            node = self.graph[root]
            if root in self.card_of or node.op is None:
                yield node
            else:  # computed where it lies
                yield from self._values({self.view.root(i) for i in node.inputs})

    def _sources(self, card: _Card) -> list[int]:
        """Return the cards that a card reads from.

        A number that many updates read, such as Adam's correction, is named in their equations.
        """
        forward = self.is_forward(card)
        found = []
        for node in self._values(card.reads):
            k = self.card_of.get(node.index)
            if k is None or self.cards[k] is card:
                continue
            users = {self.card_of.get(r) for r in self.view.readers(node.index)} - {k}
            if forward or node.shape or len(users) == 1:
                found.append(k)
        return list(dict.fromkeys(found))

    def _leaves(self, card: _Card) -> list[int]:
        """Return the inputs and parameters to draw before a card.

        In the backward pass the equations name them; arrows across the picture would tell no more.
        """
        if not self.is_forward(card):
            return []
        found = (node for node in self._values(card.reads) if node.op is None)
        return list(dict.fromkeys(node.index for node in found if node.role != "constant"))

    def _draw_leaves(self, k: int, leaves: list[int], stacked: bool) -> None:
        """Draw the boxes of inputs in one piece, beside the card that reads them first."""
        boxes = []
        for i in leaves:
            node = self.graph[i]
            role = _ROLES.get(node.role, node.role)
            self.used.add(role)
            note = formula.shape(node.shape) if self.shapes else ""
            boxes.append((f"p{i}", self.view.name(i), note, role))
        self.sketch.add(f"n{k}", dot.boxes(boxes, stacked=stacked), self.outer)
        minlen = {} if stacked else {"minlen": "0"}  # from top to bottom they stand at the left
        self.sketch.arrow(f"n{k}", f"g{k}", "forward", None, **minlen)

    def _arrow(self, source: int, user: int) -> None:
        tail, head = f"g{source}", f"g{user}"
        card = self.cards[source]
        if self.is_forward(self.cards[user]):
            self.sketch.arrow(tail, head, "forward")
        elif self.is_forward(card) and card.role != "loss" and not card.begins:
            self.sketch.line(tail, head, {**_READ, "minlen": "0"})
        else:  # turned round for the layout, so that the backward pass runs against the forward
            turned = {"dir": "back", "constraint": "true", "style": "solid"}
            self.sketch.arrow(head, tail, "backward", None, **turned)

    # --- around the picture -----------------------------------------------------------------

    def layout(self) -> dict[str, str]:
        """Return the graph attributes that this picture needs."""
        return {"newrank": "true"}

    def roles(self) -> list[str]:
        """Return the roles to explain."""
        order = ("data", "parameter", "forward", "loss", "backward", "update")
        return [role for role in order if role in self.used]

    def notes(self) -> list[tuple[str, str]]:
        """Return what the arrows mean, which the colours tell."""
        return []

    def plates(self) -> list[tuple[str, str]]:
        """Return what the plates mean."""
        words = {
            "#": f"buffer {self.marks.get('#', '')[1:]}",
            "@": f"memory from byte {self.marks.get('@', '')[1:]} on",
            IN_PLACE: "over the old value",
            NEW: "array made in each call",
        }
        found = [(self.marks[k], text) for k, text in words.items() if k in self.marks]
        if self.view.is_fused and found:
            found.append(("", "without a plate: stays in a register"))
        return found


def _time(seconds: float) -> str:
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
