"""Tracing: run a function once, and get all it did as one graph.

`trace` calls a function on example inputs with everything recorded: the forward pass, the backward
passes that it asks for, and the updates of parameters and states. The `Graph` can then be read,
drawn, replayed on other values and stored. What a program does with memory (writes in place,
`.grad`, optimizer states) is followed by a `Journal`; turning the record into a graph is `capture`.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import Any, TypeAlias

import numpy as np

from . import autograd, counting, errors
from .capture import Trace
from .graph import Graph
from .journal import Journal, active, keeping
from .messages import brief
from .naming import compact
from .node import ANOMALY, RECORD_ALL, RECORD_GRAD, TRACING, Node, recording
from .random import default_generator
from .tensor import Tensor, refresh, to_array, wrap

Source: TypeAlias = Node | Tensor
# (place among the data, array) -> the same with another number of examples.
Resize: TypeAlias = Callable[[int, Any], Any]


def trace(
    f: Callable[..., Any], *inputs: Any, wrt: Any = None, backward: bool | None = None
) -> Graph:
    """Run a function once, and return all it did as one graph: forward, backward and update.

    Tracing a loss function has no side effects: no ``.grad`` changes. Tracing a training step takes
    the step, once, and leaves parameters, gradients and optimizer as a plain call would.

    Args:
        f: the function: a loss, a model, or a training step that calls ``loss.backward()`` and
            ``optimizer.step()``, or changes parameters under ``no_grad``. It returns tensors (one,
            or several in tuples, lists and dictionaries), or nothing when it changes something.
        inputs: example inputs, one for each of its parameters. Arrays and tensors become leaves
            with the names of the parameters; those in lists and dictionaries too: ``params[0]``, or
            the key. Numbers, modules and the rest are passed on as they are.
        wrt: inputs to differentiate with respect to: names, positions or tensors, one or several.
            Arrays and numbers among them become parameters. By default all that requires grad.
        backward: True captures the backward pass from the result (of several, from the first),
            which must be a scalar. By default it is captured if `wrt` is given. A backward pass
            that `f` runs itself is captured in any case, and not a second time.

    Returns:
        The graph. Its ``outputs`` are what `f` returned (if nothing, the losses it differentiated),
        its ``updates`` what it changed, its ``notes`` what a replay should know. Numbers computed
        from the number of examples, such as 1/m, become operations on the data, so that a replay
        with another m is right; to tell them from others, an `f` that changes nothing may be called
        a second time, with other data.

    Raises:
        TraceError: (a GraphError) a program that depends on the value of a tensor, such as
            ``if x > 0`` or ``loss.item()``; a result that is no tensor or was not computed.
        DtypeError: `f` is not callable, or takes another number of inputs.
        GraphError, ShapeError: no backward pass is possible.
        ArgumentError: `wrt` names something else than an input or a parameter.

    Example:
        >>> import numpy as np, tinygrad_course as tc
        >>> def cost(w, X, y):
        ...     m = X.shape[0]
        ...     return (1 / (2 * m)) * np.sum((X @ w - y) ** 2)
        >>> w, X, y = np.array([1.0, 0.5]), np.array([[1.0, 2.0], [2.0, 0.0]]), np.array([3.0, 5.0])
        >>> graph = tc.trace(cost, w, X, y, wrt="w")
        >>> graph.evaluate(w=[1.0, 1.0], X=[[1.0, 1.0]], y=[3.0])["dw"]
        array([-1., -1.])
    """
    if not callable(f):
        raise errors.DtypeError(
            f"trace: got {brief(f)} to trace, expected a function. Of a tensor that is already "
            "computed, Graph.of(tensor) is the graph; the sum of its diagonal is tensor.trace()."
        )
    if active() is not None:
        raise errors.TraceError(
            "trace: called inside a function that is being traced. Trace one function at a time."
        )
    program = Program(f, inputs, wrt)
    run = Run(program)
    run.differentiate(backward)
    builder = run.capture()
    notes = list(_count_examples(run, builder, backward))
    graph = builder.graph(notes)
    graph.notes += _notes(program, builder, graph)
    return graph


# --- the function and its inputs ----------------------------------------------------------------


class Program:
    """A function with example inputs.

    Attributes:
        leaves: the leaves that stand for the inputs, by name.
        names: tensor -> the name it gets when it has none of its own.
        data: the leaves that are plain data.
        targets: the leaves that `wrt` names.
    """

    def __init__(self, f: Callable[..., Any], inputs: tuple[Any, ...], wrt: Any) -> None:
        """Check the inputs against the function's parameters, and what is asked for."""
        self.f = f
        self.called = getattr(f, "__name__", type(f).__name__)
        self.inputs = inputs
        self.parameters = _parameters(f, inputs, self.called)
        self.wrt = wrt
        self.asked = _asked(wrt, self.parameters)
        self.found: set[int] = set()
        self.leaves: dict[str, Tensor] = {}
        self.names: dict[Source, str] = {}
        self.data: list[Tensor] = []
        self.targets: list[Tensor] = []

    @property
    def others(self) -> list[Any]:
        """What `wrt` asks for that is no input."""
        return [item for k, item in enumerate(self.asked) if k not in self.found]

    def arguments(self, resize: Resize | None = None) -> list[Any]:
        """Return the inputs, with leaves in the place of arrays; `resize` changes data arrays."""
        self.leaves, self.names, self.data, self.targets = {}, {}, [], []
        arguments = [
            self._argument(value, name, self._is_asked(name), resize)
            for name, value in zip(self.parameters, self.inputs, strict=True)
        ]
        for name, value in _variables(self.f):
            self._name_all(name, value)
        return arguments

    def _is_asked(self, wanted: Any) -> bool:
        hits = [k for k, item in enumerate(self.asked) if _matches(item, wanted)]
        self.found.update(hits)
        return bool(hits)

    def _argument(self, value: Any, name: str, asked: bool, resize: Resize | None) -> Any:
        """Return one input, or a part of it, as the function gets it."""
        kind = type(value)
        if isinstance(value, (np.ndarray, np.floating, Tensor)) or (kind is float and asked):
            asked = self._is_asked(value) or asked
            return self._leaf(value, name, asked, resize)
        if kind in (list, tuple) or (isinstance(value, tuple) and hasattr(value, "_fields")):
            parts = []
            for k, part in enumerate(value):
                place = f"{name}[{k}]"
                parts.append(self._argument(part, place, asked or self._is_asked(place), resize))
            return kind(*parts) if hasattr(value, "_fields") else kind(parts)
        if kind is dict:
            parts_of = {}
            for key, part in value.items():
                place = key if isinstance(key, str) else f"{name}[{key!r}]"
                if isinstance(key, str) and name not in self.parameters:
                    place = f"{name}.{key}"
                below = asked or self._is_asked(place)
                parts_of[key] = self._argument(part, place, below, resize)
            return parts_of
        if asked and not hasattr(value, "named_parameters"):
            raise errors.DtypeError(
                f"trace: wrt names {name!r}, which is {brief(value)}; only floats have "
                "gradients. Pass an array or a float, such as 1.0."
            )
        self._name_all(name, value)
        return value

    def _leaf(self, value: Any, name: str, asked: bool, resize: Resize | None) -> Tensor:
        """Return the leaf that stands for an array or tensor."""
        given = isinstance(value, Tensor)
        is_data = not asked and not (given and (value._requires_grad or type(value) is not Tensor))
        leaf: Tensor = value
        if not given or value._node is not None or (asked and not value._requires_grad):
            # In the graph, a tensor that was computed before is a leaf like any other.
            leaf = wrap(value._data if given else to_array(value))
            leaf._requires_grad = given and value._requires_grad
            leaf._name = value.name if given else name
        if is_data and resize is not None:
            leaf = wrap(resize(len(self.data), leaf._data))
            leaf._name = value.name if given else name
        if asked:
            if leaf._data.dtype.kind != "f":
                raise errors.DtypeError(
                    f"trace: wrt names {name!r}, of dtype {leaf.dtype}; only floats have gradients."
                )
            leaf._requires_grad = True
            self.targets.append(leaf)
        if is_data:
            self.data.append(leaf)
        self.leaves.setdefault(name, leaf)
        self.names.setdefault(leaf, name)
        return leaf

    def _name_all(self, name: str, value: Any) -> None:
        """Note names for the tensors in something that the function reads."""
        if isinstance(value, Tensor):
            self.names.setdefault(value, name)
        elif hasattr(value, "named_buffers"):
            for path, buffer in value.named_buffers():
                self.names.setdefault(buffer, path)
        elif type(value) in (list, tuple) and len(value) <= 1000:
            for k, part in enumerate(value):
                if isinstance(part, Tensor):
                    self.names.setdefault(part, f"{name}[{k}]")
        elif type(value) is dict and len(value) <= 1000:
            for key, part in value.items():
                if isinstance(part, Tensor) and isinstance(key, str):
                    self.names.setdefault(part, key)


def _parameters(f: Callable[..., Any], inputs: tuple[Any, ...], called: str) -> list[str]:
    """Return the name of the parameter that each input is given to."""
    target = f if inspect.isroutine(f) else getattr(f, "forward", f)
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # a function of NumPy or of Python itself
        return [f"x{k}" for k in range(1, len(inputs) + 1)]
    try:
        bound = signature.bind(*inputs)
    except TypeError as error:
        raise errors.DtypeError(
            f"trace: {called}{signature} was given {len(inputs)} inputs: {error}. Pass one example "
            "input for each of its parameters."
        ) from None
    names = []
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{name}[{k}]" for k in range(len(value))]
        else:
            names.append(name)
    return names


def _asked(wrt: Any, parameters: list[str]) -> list[Any]:
    """Return what `wrt` asks for: names and tensors."""
    if wrt is None:
        return []
    asked: list[Any] = []
    for item in wrt if isinstance(wrt, (list, tuple)) else [wrt]:
        if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            if not -len(parameters) <= item < len(parameters):
                raise errors.ArgumentError(
                    f"trace: wrt names input {item}, but {len(parameters)} were given, counted "
                    "from 0."
                )
            item = parameters[item]
        elif not isinstance(item, (str, Tensor)):
            raise errors.DtypeError(
                f"trace: wrt holds {brief(item)}, expected the name of an input, its position, or "
                "a tensor."
            )
        asked.append(item)
    return asked


def _matches(item: Any, wanted: Any) -> bool:
    if isinstance(item, str) and isinstance(wanted, str):
        return compact(item) == compact(wanted)
    return item is wanted


def _variables(f: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function reads besides its inputs: (name, value)."""
    owner = getattr(f, "__self__", f)
    if not inspect.isroutine(owner):  # an object that is called, or whose method is
        yield "self", owner
        yield from getattr(owner, "__dict__", {}).items()
    try:
        found = inspect.getclosurevars(f)
    except TypeError:
        return
    yield from found.nonlocals.items()
    yield from found.globals.items()


# --- one run ------------------------------------------------------------------------------------


class Run:
    """One call of a function, and what it did.

    Attributes:
        journal: what it did besides computing.
        result: what it returned.
        results: (name or None, tensor) for each tensor in that.
        grads: tensor -> what its ``.grad`` was computed by, for those that got another one.
        beside: what else may be returned beside tensors.
    """

    beside: tuple[type, ...] = ()

    def __init__(
        self,
        program: Program,
        resize: Resize | None = None,
        journal: Journal | None = None,
        graded: int = RECORD_GRAD,
        watched: Iterable[Tensor] = (),
    ) -> None:
        """Call the function; `graded` is 0 under ``no_grad``, `watched` may get a ``.grad``."""
        self.program = program
        self.journal = Journal() if journal is None else journal
        before = [(x, x.grad) for x in watched]
        arguments = program.arguments(resize)
        draws = _random_states()
        mode = graded | RECORD_ALL | TRACING | (recording.get() & ANOMALY)
        try:
            with keeping(self.journal, mode):
                self.result = program.f(*arguments)
                self.results = list(_results(self.result, program.called, beside=self.beside))
                for _, y in self.results:
                    if y._view is not None:
                        refresh(y)
                # Before gradients lose their history.
                self.outputs = [self._source(y) for _, y in self.results]
                changed = [*self.journal.graded, *(x for x, g in before if x.grad is not g)]
                self.grads = {x: self._source(x.grad) for x in changed if x.grad is not None}
        finally:
            self._settle()
        # Whether it changed a tensor, or drew random numbers.
        self.changed = bool(self.journal or self.journal.graded or _random_states() != draws)
        self._check_outputs()

    def _settle(self) -> None:
        """Leave gradients and counts as a plain call would: without a history."""
        states = (state for state, _ in self.journal)
        for leaf in {*self.journal.graded, *states, *self.program.leaves.values()}:
            g = leaf.grad
            if isinstance(g, Tensor) and g._node is not None and not g._requires_grad:
                g._node = None
                g._view = None
        for finish in self.journal.afterwards:
            finish()

    def _source(self, x: Tensor) -> Source:
        return self.journal.source(x._node or x)[0]  # type: ignore[no-any-return]

    def _check_outputs(self) -> None:
        called = self.program.called
        states = {state for state, _ in self.journal}
        known = {*self.program.leaves.values(), *states}
        for (name, y), source in zip(self.results, self.outputs, strict=True):
            if isinstance(source, Tensor) and source not in known and not source._requires_grad:
                raise errors.TraceError(
                    f"trace: {called} returned a tensor of shape {y.shape}"
                    f"{f' as {name!r}' if name else ''} that it did not compute from tensors. "
                    "Arrays do not record what is computed from them: make them tensors, or pass "
                    "them as inputs."
                )
        if not any(isinstance(s, Node) for s in self.outputs) and not (
            self.journal.passes or states
        ):
            raise errors.TraceError(
                f"trace: {called} computed nothing that it returned or kept. Return the tensors "
                "that it computes, such as the loss."
            )

    # --- its backward pass ------------------------------------------------------------------

    def differentiate(self, backward: bool | None) -> None:
        """Run the backward pass from the result, if asked to and not done by the function."""
        if backward is None:
            backward = bool(self.program.asked) and not self.journal.passes
        if not backward:
            return
        if not self.results:
            if self.journal.passes:
                return
            raise errors.GraphError(
                f"trace: {self.program.called} returned nothing to differentiate. Return the loss."
            )
        loss = self.results[0][1]
        if any(self.outputs[0] in noted.roots for noted in self.journal.passes):
            return
        targets = self._targets(loss)
        if loss._data.size != 1:
            raise errors.ShapeError(
                f"trace: a backward pass starts from a scalar, but {self.program.called} returned "
                f"shape {loss.shape}. Reduce it with .sum() or .mean(), or pass backward=False."
            )
        self.journal.silent = True
        try:
            with keeping(self.journal, RECORD_ALL | (recording.get() & ANOMALY)):
                autograd.grad(loss, targets, retain_graph=True, allow_unused=True)
        except errors.InplaceError as error:
            raise errors.InplaceError(
                f"trace: {self.program.called} changes values that its backward pass needs. Call "
                f"loss.backward() inside it, before the update. ({error})"
            ) from None

    def _targets(self, loss: Tensor) -> list[Tensor]:
        """Return the tensors to differentiate with respect to."""
        behind = self._leaves_behind(self._source(loss))
        targets = list(self.program.targets)
        for item in self.program.others:
            found = [x for x in behind if x is item or _matches(item, self._name(x) or "")]
            if not found:
                called = item if isinstance(item, str) else item.name or "a tensor"
                known = ", ".join(filter(None, map(self._name, behind))) or "none"
                raise errors.ArgumentError(
                    f"trace: wrt names {called!r}, which the result of {self.program.called} does "
                    f"not depend on. It depends on: {known}."
                )
            targets += found
        if not targets and not self.program.asked:
            targets = [x for x in behind if x._requires_grad]
        for x in targets:
            if x not in behind or not x._requires_grad:
                why = "does not require grad" if x in behind else "does not change the result"
                raise errors.GraphError(f"trace: wrt names {self._name(x)!r}, which {why}.")
        if not targets or not loss._requires_grad:
            raise errors.GraphError(
                f"trace: nothing that the result of {self.program.called} depends on requires "
                "grad, so there is no backward pass. Name the inputs to differentiate with "
                "respect to, as in wrt='w', or create parameters with requires_grad=True."
            )
        return targets

    def _name(self, x: Tensor) -> str | None:
        return x.name or self.program.names.get(x)

    def _leaves_behind(self, source: Source) -> dict[Tensor, None]:
        """Return the leaves that a value was computed from, in the order of computing."""
        seen: set[Node] = set()
        found: list[tuple[int, Tensor]] = []
        stack = [source]
        while stack:
            node = stack.pop()
            if not isinstance(node, Node):
                found.append((0, node))
                continue
            if node in seen:
                continue
            seen.add(node)
            for x in node.inputs:
                if isinstance(x, Tensor):
                    x = self.journal.source(x, node.time)[0]
                    if isinstance(x, Tensor):
                        found.append((node.time, x))
                        continue
                if isinstance(x, Node):
                    stack.append(x)
        return dict.fromkeys(x for _, x in sorted(found, key=_first))

    # --- its graph --------------------------------------------------------------------------

    def capture(self, more: Sequence[Source] = (), losses: bool = True) -> Trace:
        """Return the nodes of all it did, not yet named.

        Args:
            more: further values that are to be outputs.
            losses: a function that returns nothing has the losses that it differentiated as
                outputs.
        """
        names = dict(self.program.names)
        for state, (owner, part) in self.journal.parts.items():
            base = owner.name or names.get(owner)
            names[state] = f"{base}.{part}" if base else part
        for (name, _), source in zip(self.results, self.outputs, strict=True):
            if name:
                names.setdefault(source, name)
        roots = [source for noted in self.journal.passes for source in noted.roots]
        builder = Trace(self.journal, names)
        outputs = [*self.outputs, *more]
        builder.add_all(outputs, roots)
        builder.mark_outputs(outputs or (roots if losses else ()))
        for source in roots:
            builder.mark_result(builder.index[source])
        return builder


def _random_states() -> list[Any]:
    """Return the places in the streams of random numbers that a program may draw from."""
    # A stream that was never used is not started here.
    states: list[Any] = [default_generator._stream and default_generator.get_state()]
    if "numpy.random" in sys.modules:
        found: Any = np.random.get_state(legacy=False)
        states.append((found["state"]["key"].tobytes(), found["state"]["pos"], found["gauss"]))
    return states


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _results(
    value: Any, called: str, name: str | None = None, beside: tuple[type, ...] = ()
) -> Iterator[tuple[str | None, Tensor]]:
    """Yield the tensors that a function returned, with the keys of dictionaries as names.

    Objects of the types `beside` may stand beside them.
    """
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _results(part, called, None, beside)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _results(part, called, key if isinstance(key, str) else None, beside)
    elif isinstance(value, beside):
        return
    elif value is not None or name is not None:
        raise errors.TraceError(
            f"trace: {called} returned {brief(value)}{f' as {name!r}' if name else ''}; a graph "
            "has tensors only. .item(), .numpy() and float() leave the graph: return the tensor, "
            "and convert it outside of the traced function."
        )


# --- the number of examples ---------------------------------------------------------------------


def _count_examples(run: Run, builder: Trace, backward: bool | None) -> Iterator[str]:
    """Make the numbers that `f` computed from the number of examples operations, or yield why not.

    Whether 0.0025 is 1/m for 400 examples shows in a second run, with another number of examples.
    """
    changed = run.changed or any(n.op is not None and n.op.kind == "random" for n in builder.nodes)
    called = run.program.called
    for m, ways in _axes_of_examples(run.program, builder).items():
        may, likely = counting.suspects(builder, m)
        note = (
            f"{called} works with {', '.join(f'{v:g}' for v in likely)}, which may depend on the "
            f"length {m} of its data, but "
        )
        if changed and likely:
            yield f"{note}changes something when it runs, so that it cannot be tried with another."
        elif may and not changed:
            done = any(_replaced(run.program, builder, m, axes, backward) for axes in ways)
            left = {v for _, v in counting.numbers(builder)}
            if likely and not done:
                yield f"{note}cannot be run, or does other things, with another length."
            elif done and (kept := [v for v in likely if v in left and not counting.is_short(v)]):
                yield (
                    f"{called} works with {', '.join(f'{v:g}' for v in kept)}, which does not "
                    f"change with the length {m} of its data: a replay uses it as it is."
                )


Axes: TypeAlias = list[tuple[int, int]]


def _axes_of_examples(program: Program, builder: Trace) -> dict[int, list[Axes]]:
    """Return the lengths above 1 that data has apart from parameters -> axes that may have it.

    An axis is (place among the program's data, axis). First all axes of a length come together,
    then those that are tied by operations.
    """
    from .derivation.sizes import Sizes

    sizes = Sizes.of(Graph(builder.nodes, ()))
    fixed = {
        sizes.root(axis)
        for node in builder.nodes
        if node.op is None and node.role == "parameter"
        for axis in sizes.axes[node.index]
    }
    tied: dict[int, dict[int, Axes]] = {}
    for k, leaf in enumerate(program.data):
        if leaf in builder.index:
            for axis, (n, of) in enumerate(
                zip(leaf.shape, sizes.axes[builder.index[leaf]], strict=True)
            ):
                root = sizes.root(of)
                if n > 1 and root not in fixed:
                    tied.setdefault(n, {}).setdefault(root, []).append((k, axis))
    return {
        m: [sum(classes.values(), []), *(classes.values() if len(classes) > 1 else ())]
        for m, classes in tied.items()
    }


def _replaced(program: Program, builder: Trace, m: int, axes: Axes, backward: bool | None) -> bool:
    """Replace what a second run shows to depend on m; return whether it was possible."""
    taken = {length for node in builder.nodes for length in node.shape}
    n = next(k for k in range(m + 1, m + len(taken) + 2) if k not in taken)
    again = Program(program.f, program.inputs, program.wrt)
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = Run(again, partial(_resized, n, axes))
            other.differentiate(backward)
            second = other.capture()
    except Exception:
        return False
    changed = counting.differences(builder, second)
    if changed is None:
        return False
    forms = {at: counting.form_of(v, w, m, n) for at, (v, w) in changed.items()}
    known = {at: form for at, form in forms.items() if form is not None}
    if len(known) < len(forms):
        return False
    if known:
        k, axis = axes[0]
        counting.Counted(builder, builder.index[program.data[k]], axis).replace(known)
    return True


def _resized(n: int, axes: Axes, k: int, array: Any) -> Any:
    """Return data number `k` with n examples: those there are, repeated."""
    for place, axis in axes:
        if place == k:
            array = np.take(array, np.arange(n) % array.shape[axis], axis)
    return array


def _notes(program: Program, builder: Trace, graph: Graph) -> Iterator[str]:
    """Yield what a replay of the graph should know."""
    for name, leaf in program.leaves.items():
        if leaf not in builder.index:
            yield f"The input {name} is not used."
    for node in graph:
        if node.made and node.role == "data" and not _is_uniform(node.value):
            yield (
                f"{node.name} {node.shape} is no input of {program.called}: a replay uses the "
                "values it was captured with, unless it is given."
            )


def _is_uniform(value: Any) -> bool:
    array = np.asarray(value)
    return array.size == 0 or bool((array == array.flat[0]).all())
