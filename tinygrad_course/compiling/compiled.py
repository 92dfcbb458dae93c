"""`compile`: a function of tensors, recorded once and then run as straight-line NumPy.

The first call with arguments of given shapes traces the function: it is that call, and its graph
becomes a program (`lower`, `plan`, `numpy_program`). Later calls run the program. What a program
takes for granted is looked at before each run (`guards`): where something changed, the function is
traced again. What no program can do is left to the function itself, and `explain` says so.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable
from threading import RLock, get_ident
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors
from ..graph import Graph
from ..messages import brief
from ..node import RECORD_GRAD, recording
from ..tensor import Tensor, wrap
from .choice import is_installed
from .effects import ARRAYS, has_history
from .explain import described
from .guards import PLAIN
from .quick import MISSED
from .several import can_repeat, repeat, stacked
from .specialised import Eager, Specialised

if TYPE_CHECKING:
    from .profile import Profile

BACKENDS = ("auto", "numpy", "numba")
# In an explanation, a profile has no more lines.
IN_EXPLAIN = 24
# Programs kept per function, and how often one for the same shapes is made anew.
MOST_PROGRAMS = 16
MOST_TRACES = 16
# One thread traces at a time: leaves that are made meanwhile are taken for the function's.
_TRACING = RLock()


class Compiled:
    """A compiled function; made by `compile`.

    Attributes:
        source: the program of the last call, as Python text.
        graph: its graph, simplified.
        traced: how often the function was traced.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        backend: str = "auto",
        grads: bool = False,
        expected: int = 0,
    ) -> None:
        """Take the function; nothing is traced before the first call.

        Args:
            f: what is compiled.
            backend: see `compile`.
            grads: see `compile`.
            expected: how many calls there will be, by which "auto" chooses; 0 for unknown.
        """
        self.f = f
        self.expected = expected
        self.backend = backend
        self.grads = grads
        self.traced = 0
        self._programs: OrderedDict[Any, list[Specialised | Eager]] = OrderedDict()
        self._traces: dict[Any, int] = {}
        self._last: Specialised | Eager | None = None
        self._why = ""
        self._profile: Profile | None = None
        self._dropped = 0
        self._signature = _signature(f)
        functools.update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", type(f).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for arguments of these shapes; the first time, trace it."""
        last = self._last
        mode = recording.get()
        if last is not None and last.quick is not None and not kwargs and mode == last.graded:
            if last.thread == get_ident():  # a program's arrays are for one thread
                try:
                    result = last.quick(args)
                except IndexError as error:
                    raise self._located(error) from None
                if result is not MISSED:
                    return result
        if kwargs:
            return self._with_names(args, kwargs)
        if mode & ~RECORD_GRAD:  # part of another trace, or looking for anomalies
            return self.f(*args)
        return self._run(self.f, args, mode)

    def __getattr__(self, name: str) -> Any:
        # Only reached when the ordinary search failed: a model's own attributes and methods.
        if name[0] == "_" or "f" not in vars(self):
            raise AttributeError(f"a compiled function has no attribute {name!r}")
        return getattr(self.f, name)

    def __reduce__(self) -> Any:
        """Be copied and pickled as a function is: programs are made anew."""
        module, name = sys.modules.get(self.__module__), getattr(self, "__qualname__", "")
        if getattr(module, name, None) is self:
            return name
        return type(self), (self.f, self.backend, self.grads, self.expected)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Be a method where a method was compiled."""
        return self if instance is None else MethodType(self, instance)

    def map(self, *args: Any) -> Any:
        """Call the function for each slice of the arguments along their first axis, in turn.

        The same as ``[f(x, y) for x, y in zip(X, Y)]`` with the results stacked, in one call of a
        program: of a training step, it takes an epoch over batches. A program that numba made of
        loops alone runs without a turn to Python; another saves what a call looks at.

        Args:
            args: tensors or arrays of one length, for example batches of shape (steps, m, n).

        Returns:
            What `f` returns, with one more axis: for a loss, the losses of shape (steps,).

        Raises:
            ShapeError: no slices, or not as many in each argument.
            DtypeError: an argument that is no tensor and no array.

        Example:
            >>> import tinygrad_course as tc
            >>> total = tc.zeros(2)
            >>> @tc.compile
            ... def add(x):
            ...     total.add_(x)
            ...     return total.sum()
            >>> add.map(tc.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
            tensor([ 3., 10., 21.])
        """
        count = _count(self.__name__, args)
        plain = [x._data if isinstance(x, Tensor) else x for x in args]
        mode = recording.get()
        if not mode & ~RECORD_GRAD and not any(
            isinstance(x, Tensor) and x._requires_grad for x in args
        ):
            firsts = tuple(
                wrap(x[0, ...]) if isinstance(a, Tensor) else x[0, ...]
                for a, x in zip(args, plain, strict=True)
            )
            for made in self._programs.get((mode, (), *_key(firsts)), ()):
                if isinstance(made, Specialised) and made.holds(firsts) and can_repeat(made, plain):
                    self._last = made
                    return repeat(made, plain, count)
        return stacked([self(*[x[k, ...] for x in args]) for k in range(count)])

    def _run(self, f: Callable[..., Any], args: tuple[Any, ...], mode: int, names: Any = ()) -> Any:
        key = (mode, names, *_key(args))
        found = self._programs.get(key, ())
        for made in found:
            if made.holds(args):
                self._last = made
                try:
                    return made.run(args)
                except IndexError as error:
                    raise self._located(error) from None
        return self._trace(f, key, args, mode)

    def _located(self, error: IndexError) -> Exception:
        """Return what to say of an index that NumPy refuses."""
        if isinstance(error, errors.TinygradCourseError):
            return error
        return errors.IndexingError(
            f"{self.__name__}: {error}. Call {self.__name__}.f, the function itself, to see where."
        )

    def _with_names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run with keyword arguments, which a program takes by position."""
        mode = recording.get()
        if mode & ~RECORD_GRAD:
            return self.f(*args, **kwargs)
        names: tuple[str, ...] = tuple(kwargs)
        if self._signature is not None:
            try:
                bound = self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise errors.DtypeError(f"{self.__name__}: {error}.") from None
            args, names = bound.args, tuple(bound.kwargs)
            kwargs = bound.kwargs
        if not names:
            return self._run(self.f, args, mode)
        return self._run(
            _Named(self.f, len(args), names), (*args, *kwargs.values()), mode, (len(args), names)
        )

    def _trace(self, f: Callable[..., Any], key: Any, args: tuple[Any, ...], mode: int) -> Any:
        """Call the function, traced, and keep the program if there can be one."""
        found = self._programs.setdefault(key, [])
        self._why = found[0].guards.failed if found and isinstance(found[0], Specialised) else ""
        count = self._traces[key] = self._traces.get(key, 0) + 1
        made: Specialised | Eager
        result: Any
        if count > MOST_TRACES or self._dropped >= 4 * MOST_PROGRAMS:
            what = self._why or "its arguments"
            eager = Eager(f, f"what it depends on changes too often: {what}", args)
            found[:] = [eager]
            self._last = eager
            return eager.run(args)
        self.traced += 1
        try:
            with _TRACING:
                made = Specialised(f, args, mode, self.backend, self.grads, self.expected)
            result = made.result
        except errors.UnrecordableError as error:
            made = Eager(f, str(error).split(".")[0], args)
            result = f(*args)
        if isinstance(made, Specialised) and made.reason:
            made = Eager(f, made.reason, args)
        found.insert(0, made)
        del found[MOST_TRACES:]
        self._last = made
        while len(self._programs) > MOST_PROGRAMS:
            self._programs.popitem(last=False)
            self._dropped += 1
        return result

    # --- what one can see -------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """Why the last call ran no program, or nothing."""
        return self._last.reason if self._last is not None else ""

    def _program(self) -> Specialised:
        if self._last is None:
            raise errors.GraphError(
                f"compile: {self.__name__} has no program yet: it is made in the first call. Call "
                "it once with example arguments."
            )
        if isinstance(self._last, Eager):
            raise errors.GraphError(
                f"compile: {self.__name__} has no program: {self._last.reason}."
            )
        return self._last

    @property
    def source(self) -> str:
        """The program of the last call."""
        return self._program().program.source  # type: ignore[no-any-return]

    @property
    def graph(self) -> Graph:
        """The graph of the last call's program, simplified."""
        return self._program().graph

    def profile(self, *args: Any, repeat: int | None = None) -> Profile:
        """Measure how long each part of the program takes: each fused loop, each call of NumPy.

        Nothing is changed: parameters, moments and step counts are copies, random streams are put
        back. The backend "numba" compiles each loop once more, as a function of its own.
        `explain` tells the times from then on, and `viz.draw` writes them into its picture.

        Args:
            args: arguments that there is a program for; by default those it was made with.
            repeat: how often the program is run; by default for about half a second.

        Returns:
            A `Profile`: ``print`` it for a table; ``.rows`` are the parts with ``.seconds``.

        Raises:
            GraphError: there is no program: before the first call, for other arguments, or where
                the function is called as it is.
            DtypeError, ArgumentError: `repeat` is no whole number from 1 on.

        Example:
            >>> import tinygrad_course as tc
            >>> f = tc.compile(lambda x: (tc.exp(x) * x).sum(), backend="numpy")
            >>> _ = f(tc.ones(100, 100))
            >>> report = f.profile(repeat=20)
            >>> [row.part.text for row in report.rows]
            ['t1 = exp(x)', 't2 = t1 * x', 'J = np.sum(t2)']
        """
        from .profile import profile

        made = self._made_for(args) if args else self._program()
        if not args and not made.holds(made.held):
            raise errors.GraphError(
                f"compile: what {self.__name__} depends on has changed since its last call: "
                f"{made.guards.failed or 'a gradient'}. Call it again."
            )
        self._profile = profile(made, args or made.held, self.__name__, repeat)
        return self._profile

    def _made_for(self, args: tuple[Any, ...]) -> Specialised:
        """Return the program for these arguments."""
        for made in self._programs.get((recording.get(), (), *_key(args)), ()):
            if made.holds(args):
                self._last = made
                return self._program()
        raise errors.GraphError(
            f"compile: {self.__name__} has no program for these arguments yet: it is made in the "
            "first call with arguments of these shapes. Call it once with them."
        )

    def explain(self) -> str:
        """Return in a few lines what was made of the function."""
        if isinstance(self._last, Eager):
            return f"no program: {self._last.reason}; {self.__name__} is called as it is"
        made = self._program()
        program = made.program
        kept = sum(len(found) for found in self._programs.values())
        lines = [
            f"nodes: {made.traced_nodes} before simplification, {len(made.graph)} after, "
            f"{len(program.graph)} written out in single operations",
            *described(program),
            *made.chosen(),
            f"programs kept: {kept}; traced {_times(self.traced)}",
        ]
        if self._why:
            lines.append(f"traced again because of {self._why}")
        if made.inside:
            lines.append("gradients stay inside: .grad is None after a call (grads=True keeps it)")
        profile = self._profile
        if profile is not None and profile.program is program:
            lines += ["time per group:", f"{profile.head()}", profile.table(IN_EXPLAIN)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}>"


class _Named:
    """A function whose last arguments are passed by name."""

    def __init__(self, f: Callable[..., Any], count: int, names: tuple[str, ...]) -> None:
        self.f = self.__wrapped__ = f
        self.count = count
        self.names = names
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        labels = [*(f"argument_{k}" for k in range(count)), *names]
        self.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in labels])

    def __call__(self, *values: Any) -> Any:
        named = dict(zip(self.names, values[self.count :], strict=True))
        return self.f(*values[: self.count], **named)


def _key(args: tuple[Any, ...]) -> list[Any]:
    """Return what a program is chosen by: shapes, dtypes, numbers, and which tensors are one."""
    parts: list[Any] = [get_ident()]
    tensors: list[int] = []
    for a in args:
        parts.append(_key_of(a, tensors))
    if len(tensors) > 1 and len(set(tensors)) < len(tensors):
        parts.append(tuple(map(tensors.index, tensors)))
    return parts


def _key_of(a: Any, tensors: list[int]) -> Any:
    if isinstance(a, Tensor):
        tensors.append(id(a))
        wanted = a.requires_grad
        return a._data.shape, a._data.dtype, wanted and (True, has_history(a)), type(a)
    if isinstance(a, ARRAYS):
        return a.shape, a.dtype
    if isinstance(a, PLAIN):
        return type(a), repr(a)
    if isinstance(a, (list, tuple)):
        return type(a), *[_key_of(part, tensors) for part in a]
    if isinstance(a, dict):
        return dict, *[(key, _key_of(part, tensors)) for key, part in a.items()]
    return id(a)


def _count(called: str, args: tuple[Any, ...]) -> int:
    """Return how many slices there are."""
    for x in args:
        if not isinstance(x, (Tensor, np.ndarray)):
            raise errors.DtypeError(
                f"{called}.map: got {brief(x)}, expected tensors or arrays, which are sliced along "
                "their first axis. Read what is the same in each call from outside."
            )
    lengths = [x.shape[0] if x.shape else 0 for x in args]
    if not lengths or not lengths[0] or len(set(lengths)) > 1:
        shapes = ", ".join(str(tuple(x.shape)) for x in args) or "no arguments"
        raise errors.ShapeError(
            f"{called}.map: got {shapes}, expected arguments with equally many slices along their "
            "first axis, at least one: X of shape (steps, m, n)."
        )
    return lengths[0]


def _signature(f: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(f)
    except (TypeError, ValueError):
        return None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def compile(
    f: Callable[..., Any] | None = None, backend: str = "auto", *, grads: bool = False
) -> Any:
    """Return a function that does the same as `f`, as one program without overhead.

    The first call with arguments of given shapes records what `f` does, forward, backward and
    update, simplifies it, and writes it out as NumPy calls on arrays that are made once. Later
    calls run that. The result behaves as `f`: parameters, moments, running statistics and random
    streams are read and written where they are, so that compiled and plain calls can be mixed.
    Results agree to rounding. Use it on a whole training step (see the example), on a loss or on a
    prediction; as a decorator, also of methods; or on a model: ``tc.compile(model)``.

    What a program takes for granted is looked at before each run. These make another program, each
    of which is kept (up to 16, and as many for the same shapes): arguments of another shape or
    dtype, another number or object as argument; ``train()`` and ``eval()``; a setting of a module;
    an option of an optimizer, while its learning rate, which schedulers change, is read anew in
    each call; ``requires_grad``; another value of a variable that `f` reads. Arrays that were
    replaced (``p.data = …``, ``load_state_dict``, ``model.to(dtype)``) are found where they are.

    What no program can repeat is left to `f` itself, and ``explain()`` says why: hooks; random
    numbers that are drawn without an operation; variables and lists that `f` changes, or a
    scheduler's ``step()`` inside it; inputs that share memory with what `f` changes; a graph of
    more than 20,000 operations. ``print`` and other effects that Python does not show happen while
    recording, not in each run.

    Gradients: where `f` calls ``backward()`` alone, they are left in, or added to, ``.grad``, as
    without compiling. Where `f` forgets old gradients first and then uses the new ones up in a
    step, they stay inside, and ``.grad`` is None afterwards.

    A result that is one number and depends on something that requires grad can be differentiated:
    by ``backward()``, `tc.grad`, `tc.gradcheck`. The program then computes the derivatives as well.

    Args:
        f: a function of tensors and arrays, also in lists, tuples and dictionaries, and of numbers,
            modules and other objects; it returns tensors, numbers beside them, or nothing.
        backend: "numpy" needs nothing else. "numba" fuses what goes element by element into loops
            of machine code, and needs the extra ``jit``. "auto" begins with NumPy and changes to
            numba, where that is installed, after as many calls as repay the time to compile; the
            number depends on the graph alone, so that results are the same in each run.
        grads: leave gradients in ``.grad`` also after a step that uses them up.

    Returns:
        The compiled function; ``.source`` is its program, ``.graph`` the graph it computes,
        ``.explain()`` a summary.

    Raises:
        TraceError: when called: `f` depends on the value of a tensor (``if x > 0``, ``.item()``),
            or uses an array that may differ from call to call. Nothing has changed then.
        ArgumentError: an unknown backend. DtypeError: `f` is not callable.
        MissingDependencyError: numba is asked for by name and is not installed.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn, optim
        >>> model = nn.Dense(2, 1)
        >>> loss, sgd = nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1)
        >>> @tc.compile
        ... def step(X, Y):
        ...     J = loss(model(X), Y)
        ...     sgd.zero_grad()
        ...     J.backward()
        ...     sgd.step()
        ...     return J
        >>> X, Y = tc.tensor([[1.0, 0.0], [0.0, 1.0]]), tc.tensor([[2.0], [3.0]])
        >>> costs = [step(X, Y).item() for _ in range(300)]
        >>> costs[-1] < 1e-6 * costs[0], step.traced
        (True, 1)
    """
    if backend not in BACKENDS:
        raise errors.ArgumentError(
            f"compile: got backend={backend!r}, expected one of {', '.join(BACKENDS)}."
        )
    if backend == "numba" and not is_installed():
        raise errors.missing("numba", "compile(backend='numba')", "jit")
    if f is None:
        return functools.partial(compile, backend=backend, grads=grads)
    if not callable(f):
        raise errors.DtypeError(f"compile: got {brief(f)}, expected a function.")
    return Compiled(f, backend, grads)


__all__ = ["BACKENDS", "Compiled", "compile"]
