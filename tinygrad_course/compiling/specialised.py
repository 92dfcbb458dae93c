"""One program of a compiled function: for arguments of particular shapes.

`Specialised` calls the function once, traced, and makes the program: graph, simplified, written
out, with a plan of memory. It knows what the program depends on (see `guards`), where arguments and
states go in, and what a run leaves behind: results, new values of states, counts, gradients.
"""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import Callable
from threading import get_ident
from typing import Any

import numpy as np

from .. import errors
from ..derivation.simplify import simplify
from ..derivation.writer import identifier
from ..graph import Graph
from ..journal import Journal
from ..node import RECORD_GRAD, Node, last_write, recording, tick
from ..random import default_generator
from ..tensor import Tensor, wrap
from .choice import calls_to_repay, is_installed, program_class
from .effects import (
    behind,
    has_history,
    hollow,
    is_fixed,
    leaves_of,
    like,
    meets,
    others_of,
    owner,
    requirements,
    selects_by_value,
    set_state,
    silence,
    state_of,
    streams,
    views,
    with_tensors,
)
from .guards import Guards
from .join import join, joins, settle
from .lower import lower
from .plan import plan
from .quick import SCALARS, quick
from .recorded import recorded
from .together import together
from .traced import Inputs, Traced

# A graph of more operations is left to the eager code: a program of that length takes long to plan.
LARGEST = 20_000
# How often moments are moved to lie together, where an optimizer moves them too.
MOST_MOVES = 8
DRAWS = (
    "it draws random numbers that are no operation; draw them outside of it, or use nn.Dropout, "
    "whose draws are part of the program"
)


class Eager:
    """In the place of a program where there can be none: calls the function itself.

    Attributes:
        reason: why there is no program.
    """

    quick = None
    graded = -1
    thread = 0

    def __init__(self, f: Callable[..., Any], reason: str, held: Any = None) -> None:
        self.f = f
        self.reason = reason
        self.held = held

    def holds(self, args: Any) -> bool:
        """Return True: this is always right."""
        return True

    def run(self, args: tuple[Any, ...]) -> Any:
        """Call the function."""
        return self.f(*with_tensors(args))


class Specialised:
    """One program, and what it depends on.

    Args:
        f: the function.
        args: the arguments to trace it with; tracing is a call.
        graded: what is recorded, see `node`.
        backend: "numpy", "numba" or "auto", see `choice`.
        grads: leave gradients in ``.grad`` after a step that uses them.
        expected: how many calls there will be; 0 for unknown.

    Attributes:
        result: what the traced call returned.
        reason: why there is no program, or empty.
        backend: that of the program.
        left: while numba may take over from NumPy, a list of one number: after how many calls.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        graded: int,
        backend: str = "auto",
        grads: bool = False,
        expected: int = 0,
    ) -> None:
        self.f = f
        self.called = getattr(f, "__name__", type(f).__name__)
        self.reason = ""
        self.asked = backend
        self.expected = expected
        self.left: list[int] = []
        self.held = args
        self.graded = graded
        self.quick: Any = None
        self.thread = get_ident()
        self.structure: Any = None
        self.overlap = False
        self._made_for: Any = None
        self.watched: set[Any] = set()
        self.guards = Guards()
        self.guards.function(f)
        for value in others_of(args):
            self.guards.value(value, "an argument")
            if isinstance(value, (int, float)):
                self.guards.numbers.add(value)
        self.guards.settle()
        given = list(leaves_of(args))
        self.reachable = set(self.guards.tensors)
        self.pins = [
            (k, x) for k, x in enumerate(given) if isinstance(x, Tensor) and x in self.reachable
        ]
        pinned = {k for k, _ in self.pins}
        self.free = [k for k, x in enumerate(given) if isinstance(x, Tensor) and k not in pinned]
        watched = dict.fromkeys([*self.reachable, *(x for x in given if isinstance(x, Tensor))])
        self._before = {x: x.grad for x in watched}
        self._draws = [(g, state_of(g)) for g in (default_generator, *self.guards.generators)]
        self.required: list[tuple[int, Any]] = []
        if graded and self.guards.names("backward") and any(map(has_history, given)):
            self.reason = "an argument was computed from something that requires grad"
            self.result = f(*with_tensors(args))
            return
        draws, start = streams(), tick()
        program = Inputs(f, args, None)
        self.journal = journal = Journal()
        try:
            run = Traced(program, journal=journal, graded=graded & RECORD_GRAD, watched=watched)
        except BaseException:
            self._undo()
            raise
        self.result = run.result
        self.reason = (
            self._why_not(program, given, draws)
            or views(run.results, run.outputs, self.reachable)
            or ("" if run.computed else "it returns what it did not compute from tensors")
            or self._differentiable(run)
        )
        if not self.reason:
            self.required = requirements(journal, program.given)
            self._start = start
            self._make(run, program, given, grads)
        if not self.reason:
            self._let_go()
        del self.journal, self._before, self._draws

    def _make(self, run: Traced, program: Inputs, given: list[Any], grads: bool) -> None:
        """Make the program and take the traced call back: the program does it again.

        So the results of a call do not depend on whether it is the first.
        """
        try:
            self.reason = self._capture(run, program, given, grads)
            if self.reason:
                return
            self.reason = self._choose()
            after = [state_of(g) for g, _ in self._draws]
            self._undo()
            # Traced tensors hold the whole graph.
            self.structure = hollow(self.structure)
            if not self.reason:
                self.result = self.run(self.held)
                if after != [state_of(g) for g, _ in self._draws]:
                    self.reason = "it seeds a generator"
        except errors.TraceError:
            self._undo()
            raise
        except Exception as error:
            self.reason = _said(error)
        if self.reason:
            self._undo()
            self.result = self.f(*with_tensors(self.held))

    def _let_go(self) -> None:
        """Keep no values of the traced call."""
        for graph in (self.traced, self.graph, self.program.graph):
            for node in graph:
                if node.op is not None or node.name in self.leaves:
                    node.value = None

    def _undo(self) -> None:
        """Leave everything as it was before the traced call."""
        self.journal.undo()
        for x, g in self._before.items():
            x.grad = g
        for generator, state in self._draws:
            set_state(generator, state)

    # --- what cannot be a program -----------------------------------------------------------

    def _why_not(self, program: Inputs, given: list[Any], draws: Any) -> str:
        """Return why the traced call cannot be repeated by a program, or nothing."""
        guards, journal = self.guards, self.journal
        if not guards.hold():
            return f"it changes what it reads: {guards.failed}"
        if guards.iterators:
            return f"an iterator may give something else in each call: {guards.iterators[0]}"
        if guards.unseen:
            return f"it reads {guards.unseen}"
        if guards.hooked or any(x._hooks for x in (*self.reachable, *journal.graded)):
            return "hooks are to be called in each run"
        if journal.unrepeatable:
            return journal.unrepeatable
        if streams() != draws or guards.drew():
            return DRAWS
        states = {state for state, _ in journal}
        owners = {id(owner(x._data)) for x in states}
        for leaf, x in zip(program.given, given, strict=True):
            if leaf in states and leaf is not x:
                return "it changes an argument in place that is no tensor of its own"
            array = x._data if isinstance(x, Tensor) else np.asarray(x)
            if leaf not in states and id(owner(array)) in owners:
                return "an argument shares memory with what it changes"
        return ""

    def _differentiable(self, run: Traced) -> str:
        """Add the backward pass of a result that can be differentiated, or return why not."""
        self.wrt: list[Any] = []
        self.slopes: list[Any] = []
        journal = self.journal
        asking = [
            y
            for _, y in run.results
            if self.graded & RECORD_GRAD
            and y._requires_grad
            and y._node is not None
            and not y._node.spent
        ]
        if not asking or journal or journal.passes:
            return ""
        if not isinstance(run.result, Tensor) or run.result._data.size != 1:
            return "its result has a gradient and is not one number; under no_grad it is compiled"
        if any(n.op.kind == "random" for n in behind(run.outputs)):
            return "its result has a gradient and depends on random draws"
        run.differentiate(True)
        for of, g, asked in journal.passes[-1].cotangents:
            leaf = journal.source(of, journal.passes[-1].start)[0]
            if asked and isinstance(leaf, Tensor) and leaf._requires_grad:
                self.wrt.append(leaf)
                self.slopes.append(journal.source(g._node or g)[0])
        return ""

    # --- the graph --------------------------------------------------------------------------

    def _capture(self, run: Traced, program: Inputs, given: list[Any], grads: bool) -> str:
        """Make the graph, and note where values come from and go to; or return why not."""
        journal = self.journal
        left = run.grads
        builder = run.capture([*self.slopes, *left.values()], losses=False)
        if any(isinstance(n, Node) and n.time < self._start for n in builder.index):
            return (
                "it uses a tensor that was computed outside of it, of which gradients are asked; "
                "compute it inside, or detach it"
            )
        graph = builder.graph()
        self.traced_nodes = len(graph)
        if len(graph) > LARGEST:
            return f"its graph has {len(graph):,} operations, more than {LARGEST:,}"
        if selects_by_value(graph):
            return "how many elements a mask selects depends on its values"
        drawn = {
            n.params["generator"] or default_generator
            for n in graph
            if n.op is not None and n.op.kind == "random"
        }
        known = {generator for generator, _ in self._draws}
        if any(g not in drawn and state_of(g) != before for g, before in self._draws):
            return DRAWS
        if not drawn <= known:
            return "it draws from a generator that it finds in a way that cannot be followed"
        self._refuse_values_made(graph, program)
        outputs = [n.index for n in graph.outputs]
        count = len(run.outputs) + len(self.slopes)
        kept = outputs[:count]
        # What becomes of each .grad: see `_leave_gradients`.
        entry = {x: self._before.get(x, journal.graded.get(x)) for x in left}
        entry.update((x, g) for x, g in self._before.items() if x not in entry)
        states = {state for state, _ in journal}
        read = {g for g in entry.values() if g is not None and g in builder.index}
        self.inside: list[Tensor] = []
        self.deposits: list[Tensor] = []
        self.clears = [
            x
            for x in {**entry, **journal.cleared}
            if x.grad is None
            and (x in journal.cleared or x in journal.graded or entry[x] is not None)
        ]
        for x, k in zip(left, outputs[count:], strict=True):
            before = entry[x]
            independent = x in journal.cleared or (before is not None and before not in read)
            if x.grad is before and before not in states:
                continue  # as it was
            if independent and x in states and not grads:
                self.inside.append(x)
            else:
                self.deposits.append(x)
                kept.append(k)
        # Gradients from before that the program reads: given to it in each call.
        self.owners_of_grads = {x: None for x, g in entry.items() if g in read}
        for x, g in entry.items():
            if g is None and x not in journal.cleared:
                if x in left or x in journal.graded or x in journal.skipped:
                    called = f"the gradient of {x.name or 'a tensor'}"
                    self.guards.expect(x, "grad", None, called)
        grads_read = {builder.index[g] for g in read}
        updates = [(s, v) for s, v in graph.updates if s not in grads_read]
        for node in graph:
            node.grad = None
        self.traced = Graph(graph.nodes, kept, updates)
        self.leaves = {graph[i].name: x for x, i in builder.index.items() if isinstance(x, Tensor)}
        names = {x: name for name, x in self.leaves.items()}
        self.moments = {
            names[m]: (names[x], what)
            for m, (x, what) in journal.parts.items()
            if m in names and x in names and m._view is None
        }
        pinned = {x for _, x in self.pins}
        # What the program writes to is looked for by identity.
        touched = {*states, *self.deposits, *self.inside, *self.clears, *self.owners_of_grads}
        self.given: dict[Any, int] = {}
        for k, leaf in enumerate(program.given):
            if leaf not in pinned and leaf not in touched:
                self.given.setdefault(leaf, k)
            elif leaf not in pinned:
                self.pins.append((k, leaf))
                self.free.remove(k)
                pinned.add(leaf)
        for k, x in enumerate(self.owners_of_grads):
            self.given[entry[x]] = len(given) + k
        self.structure = run.result
        self.count = len(run.outputs)
        self.same = {
            k: source
            for k, ((_, y), source) in enumerate(zip(run.results, run.outputs, strict=True))
            if y is source
        }
        # Results that are parameters of the next call: x.detach().requires_grad_().
        leaves = {k for k, (_, y) in enumerate(run.results) if y._node is None and y._requires_grad}
        self.wanted = leaves - self.same.keys()
        self.refresh_of = dict(journal.refresh)
        self.commits = list(journal.commits)
        for optimizer in journal.optimizers:
            self.guards.optimizer(optimizer)
        self.written = states - read
        return ""

    def _refuse_values_made(self, graph: Graph, program: Inputs) -> None:
        """Refuse arrays that the function makes itself and that may differ from call to call."""
        for node in graph:
            kind = node.role in ("data", "backward", "gradient")
            if node.op is None and node.made and kind and node.value is not None:
                array = np.asarray(node.value)
                if not is_fixed(array, self.guards):
                    raise errors.TraceError(
                        f"compile: {program.called} uses an array of shape {node.shape} that is no "
                        "argument and no tensor, and may differ from call to call. Pass it as an "
                        "argument, or make it a tensor outside of the compiled function."
                    )

    # --- the program ------------------------------------------------------------------------

    def _choose(self) -> str:
        """Choose a backend and make the program, or return why there is none."""
        self.graph = simplify(self.traced)
        self.gathered = together(self.graph)
        backend = self.asked
        if backend == "auto":
            backend = "numpy"
            if is_installed():
                repaid = calls_to_repay(self.gathered)
                if self.expected >= repaid:
                    backend = "numba"
                elif not self.expected:
                    self.left = [repaid]
        return self._build(backend)

    def count_calls(self, count: int) -> None:
        """Count calls that begin now; let numba take over when it is time."""
        if self.left:
            self.left[0] -= count
            if self.left[0] < 0:
                self._switch()

    def _switch(self) -> None:
        """Let numba take over."""
        self.left = []
        self._build("numba")
        self._made_for = self.quick = None

    def chosen(self) -> list[str]:
        """Return why this backend, in a line, where that was not asked for."""
        if self.asked != "auto":
            return []
        if self.left:
            return [f"auto: numba takes over after {self.left[0]:,} more calls"]
        if self.backend == "numba":
            return ["auto: numba, since the time to compile is repaid"]
        if not is_installed():
            return ["auto: numba is not installed"]
        return [f"auto: {self.expected:,} calls do not repay compiling with numba"]

    def _build(self, backend: str) -> str:
        """Make the program, or return why there is none."""
        self.backend = backend
        maker = program_class(backend)
        for_loops = maker.for_loops
        lowered = lower(self.gathered, for_loops)
        written = [self.leaves.get(lowered[s].name) for s, _ in lowered.updates]
        self.changed = [x for x in written if x is not None]
        if not for_loops:
            lowered = join(lowered, self.moments)
        self.places: list[int] = []
        arguments: list[int] = []
        for node in lowered:
            x = self.leaves.get(node.name) if node.op is None and not joins(node) else None
            if x is not None and x in self.given:
                arguments.append(node.index)
                self.places.append(self.given[x])
        self.plan = plan(lowered, set(arguments), calls=not for_loops)
        self.program = maker(lowered, self.plan, arguments, _title(self.called, lowered))
        self.states = {
            i: self.leaves[lowered[i].name]
            for i, kind in enumerate(self.plan.kinds)
            if kind == "state" and lowered[i].name in self.leaves and not joins(lowered[i])
        }
        self.fixed = {
            i: np.asarray(lowered[i].value)
            for i, kind in enumerate(self.plan.kinds)
            if kind == "state" and i not in self.states and not joins(lowered[i])
        }
        self.joined = [joins(node) for node in lowered if joins(node)]
        self.moves = MOST_MOVES
        used = set(self.states.values())
        self.refresh = [(x, read) for x, read in self.refresh_of.items() if x in used]
        for x in used:
            if x not in self.refresh_of and x not in self.watched:
                self.watched.add(x)
                self.guards.attribute(x, "_requires_grad", f"requires_grad of {x.name}")
        self.quiet = contextvars.copy_context() if self.program.quiet else None
        if self.quiet is not None:
            self.quiet.run(silence)
        self._bind()
        return "two tensors that it changes or reads share memory" if self.overlap else ""

    def _bind(self) -> None:
        """Bind the program to the arrays that parameters and states have now."""
        self.overlap = self._overlaps()
        if self.moves and not self.overlap:
            moved = [settle([self.states[i] for i in row]) for row in self.joined]
            self.moves -= any(moved)
        values = {i: x._array() for i, x in self.states.items()}
        self.bound = Guards()
        for x in self.states.values():
            self.bound.attribute(x, "_data", x.name or "")
        self.cells = [x._stamp() for x in self.changed]
        self.owners = {id(owner(x._data)) for x in self.changed}
        self.call = self.program.bind({**values, **self.fixed})

    def _overlaps(self) -> bool:
        """Return whether a state that is changed shares memory with another."""
        owners = {id(owner(x._array())) for x in self.changed}
        shared: dict[int, list[Any]] = {}
        for x in self.states.values():
            shared.setdefault(id(owner(x._array())), []).append(x._data)
        return any(
            np.may_share_memory(a, b)
            for key, arrays in shared.items()
            if key in owners
            for a, b in itertools.combinations(arrays, 2)
        )

    # --- running ----------------------------------------------------------------------------

    def holds(self, args: tuple[Any, ...]) -> bool:
        """Return whether the program is right for these arguments, which have its shapes."""
        if not self.guards.hold():
            return False
        if not self.bound.hold():
            for i, x in self.states.items():
                node = self.program.graph[i]
                if x._data.shape != node.shape or x._data.dtype != node.dtype:
                    self.guards.failed = f"the array of {x.name or 'a tensor'}"
                    return False
            self._bind()
            if self.overlap:
                self.guards.failed = "tensors that share memory now"
                return False
        if self.pins or self.free or self.required:
            given = list(leaves_of(args))
            if not meets(self.required, given):
                self.guards.failed = "labels, which must be class numbers"
                return False
            if any(given[k] is not x for k, x in self.pins):
                return False
            if any(given[k] in self.reachable for k in self.free):
                return False
        if self._made_for != (self.guards.version, self.bound):
            self._made_for = (self.guards.version, self.bound)
            self.quick = quick(self)
        for x in self.owners_of_grads:
            g = x.grad
            if g is None or g._node is not None or g._data.shape != x._data.shape:
                return False
        return True

    def run(self, args: tuple[Any, ...]) -> Any:
        """Run the program."""
        self.count_calls(1)
        given = list(leaves_of(args))
        if self.owners_of_grads:
            given += [x.grad for x in self.owners_of_grads]
        arrays = [x._data if isinstance(x, Tensor) else x for x in [given[k] for k in self.places]]
        if self.owners:
            for array in arrays:
                if id(owner(array)) in self.owners:
                    # What is read may be overwritten: in the function's order.
                    return self.f(*with_tensors(args))
        for x, read in self.refresh:
            x._data[...] = read()
        if self.quiet is None:
            values = self.call(*arrays)
        else:
            values = self.quiet.run(self.call, *arrays)
        for commit in self.commits:
            commit()
        self.written_now()
        if values is None:
            values = ()
        if self.deposits:
            self._deposit(values[self.count :])
        return self._results(values, given, args)

    def written_now(self) -> None:
        """Note that the states were written now, and that gradients were used up."""
        if self.cells:
            now = last_write[0] = tick()
            for cell in self.cells:
                cell[0] = now
        for x in (*self.inside, *self.clears):
            x.grad = None

    def _deposit(self, values: Any) -> None:
        """Leave gradients as the function does: new ones, or added to those from before."""
        for x, value in zip(self.deposits, values, strict=True):
            if x in self.owners_of_grads and x.grad is not None:
                np.copyto(x.grad._data, value)
                x.grad._stamp()[0] = last_write[0] = tick()
            else:
                x.grad = wrap(np.array(value))

    def _results(self, values: Any, given: list[Any], args: Any) -> Any:
        if self.wrt:
            return self._recorded(values[0], values[1:], given, args)
        return self._rebuilt(self.structure, iter(enumerate(values)), given)

    def _rebuilt(self, structure: Any, values: Any, given: list[Any]) -> Any:
        """Return the function's result, with fresh tensors in place of those that were traced."""
        if isinstance(structure, Tensor):
            k, value = next(values)
            source = self.same.get(k)
            if source is None:
                made = wrap(value if type(value) in SCALARS else np.array(value))
                made._requires_grad = k in self.wanted
                return made
            return given[self.given[source]] if source in self.given else source
        if isinstance(structure, (list, tuple)):
            parts = [self._rebuilt(part, values, given) for part in structure]
            return like(structure, parts)
        if isinstance(structure, dict):
            return {k: self._rebuilt(part, values, given) for k, part in structure.items()}
        return structure

    # --- derivatives ------------------------------------------------------------------------

    def _recorded(self, value: Any, slopes: Any, given: list[Any], args: Any) -> Tensor:
        """Return the result as one recorded operation, whose derivatives are known already."""
        if not recording.get() & RECORD_GRAD:
            return wrap(np.array(value))
        tensors = [given[self.given[x]] if x in self.given else x for x in self.wrt]
        return recorded(self.f, args, tensors, value, slopes)


def _title(called: str, graph: Graph) -> str:
    """Return a function's name, such that it hides nothing that its program calls."""
    name = identifier(called) or "step"
    calls = {node.op.name for node in graph if node.op is not None}
    return f"{name}_" if hasattr(np, name) or name in calls else name


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")
