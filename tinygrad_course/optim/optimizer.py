"""What all optimizers share: parameter groups, state, checks, and the loop of a step.

An optimizer is one formula, `update`, written in arithmetic that changes its operands in place
(``v *= mu; v += g; p -= lr * v``). Here the formula is called for each parameter: with plain
arrays, which is fast, or, while a whole training step is being recorded, with tensors, so that the
update becomes part of the graph. Nothing here knows how gradients are computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError, StateDictError
from tinygrad_course.inplace import assign, assignments, give
from tinygrad_course.journal import active
from tinygrad_course.modes import enable_grad
from tinygrad_course.node import RECORD_ALL, RECORD_GRAD, last_write, recording, tick
from tinygrad_course.ops.elementwise import cast
from tinygrad_course.tensor import Tensor, apply, note_same, wrap

from .arrays import SMALL, Joined
from .checks import called, checked_number, checked_parameters, groups_of, refuse_unknown

__all__ = ["FRESH", "Group", "Optimizer", "Work", "assignments", "directed", "like", "named"]

Group = dict[str, Any]
Work = tuple[Any, Any]
# No arrays for intermediate results: NumPy makes fresh ones, and tensors always do.
FRESH: Work = (None, None)


def like(number: Any, p: Any) -> Any:
    """Return a coefficient in the dtype of `p`, so that it does not promote what it multiplies.

    A Python number needs nothing (NumPy 2 promotes it to the array's dtype); a recorded coefficient
    is a float64 tensor and is cast.
    """
    if type(number) is Tensor:
        return apply(cast.op, (number,), {"dtype": p.dtype.name})
    return number


def named(x: Any, name: str) -> Any:
    """Return `x`, with a name that a recorded formula calls it by."""
    if type(x) is Tensor:
        x.name = name
    return x


def directed(g: Any, p: Any, weight_decay: float, maximize: bool, work: Work) -> Any:
    """Return the gradient to descend along: turned round and decayed as asked."""
    a, b = work
    if maximize:
        g = np.negative(g, out=b)
    if weight_decay:
        g = np.add(g, np.multiply(weight_decay, p, out=a), out=b)
    return g


class Optimizer:
    """Base class: subclass it with `update`, the formula, and what the formula needs.

    Args:
        params: an iterable of leaf tensors that require grad, of ``(name, tensor)`` pairs, or of
            groups ``{"params": ..., "lr": ...}`` with options of their own.
        defaults: the options of groups that do not give them.
        others: further keyword arguments of PyTorch's, such as ``foreach`` and ``fused``, by which
            it chooses among implementations: they are accepted and change nothing.

    Attributes:
        param_groups: a list of dictionaries: ``params`` and the options, which may be changed
            between steps.
        state: for each parameter, a dictionary with its step count and moments.

    Raises:
        ArgumentError: no parameters, a parameter given twice, an option out of range.
        DtypeError: something that is no tensor.
        GraphError: a tensor that was computed, or that does not require grad.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> class SignSGD(optim.Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...
        ...     @staticmethod
        ...     def update(p, g, lr, t):
        ...         import numpy as np
        ...
        ...         p -= lr * np.sign(g)
        >>> w = tc.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = SignSGD([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist() == [np.float32(0.9), np.float32(-1.9)]
        True
    """

    #: The formula: ``update(p, g, lr, t, *moments, *options)``; it changes p and the moments.
    update: ClassVar[Callable[..., None]]
    #: Every name a moment may have in `state`.
    moments: ClassVar[tuple[str, ...]] = ()
    #: Those that are one number for each parameter, not one for each element.
    single: ClassVar[tuple[str, ...]] = ()
    #: True when `update` treats every element by itself, so that small arrays may be joined, and
    #: takes ``work=(a, b)``, two arrays for intermediate results (None: make fresh ones).
    elementwise: ClassVar[bool] = False

    #: True when `step` computes the loss several times: it cannot be recorded.
    needs_closure: ClassVar[bool] = False

    def __init__(
        self, params: Any, defaults: Mapping[str, Any], others: Mapping[str, Any] | None = None
    ) -> None:
        """Check the parameters and put them in groups."""
        if others:
            refuse_unknown(type(self).__name__, others, defaults)
        self.defaults = dict(defaults)
        self.state: dict[Tensor, dict[str, Any]] = self._states({})
        self.param_groups: list[Group] = []
        self._rates: list[Tensor] = []
        self._plans: dict[int, tuple[Any, int, Joined | None, list[Tensor]]] = {}
        self._work: dict[tuple[int, ...], Work] = {}
        # All moments share one write stamp, so that a step stamps them at once.
        self._memory = [0]
        for group in groups_of(type(self).__name__, params):
            self.add_param_group(group)

    def _steps_itself(self) -> bool:
        """Return True for an optimizer of one's own, which defines `step`."""
        return type(self).step is not Optimizer.step

    def _states(self, state: dict[Tensor, dict[str, Any]]) -> dict[Tensor, dict[str, Any]]:
        """Return where `state` is kept: one's own `step` may ask for it before there is any."""
        return defaultdict(dict, state) if self._steps_itself() else state

    # --- what a subclass says ---------------------------------------------------------------

    def _check(self, group: Group) -> None:
        """Raise ArgumentError when an option is out of range."""

    def _used(self, group: Group) -> tuple[str | None, ...]:
        """Return the moments in the order `update` takes them, None for those not in use."""
        return self.moments

    def _options(self, group: Group) -> tuple[Any, ...]:
        """Return what follows the moments in a call of `update`."""
        return ()

    def _counts(self, group: Group) -> bool:
        """Return whether a step of this group is counted, and kept in `state`."""
        return True

    def _first(self, name: str, array: Any, group: Group) -> Any:
        """Return the value a moment starts from, for the parameter `array`."""
        return np.zeros_like(array)

    # --- what a user calls ------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients collected so far.

        Args:
            set_to_none: False fills existing gradients with zeros instead.
        """
        journal = active()
        if journal is not None:
            for group in self.param_groups:
                for p in group["params"]:
                    journal.forget(p)
        if set_to_none:
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad = None
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = wrap(np.zeros_like(p.grad._data))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, by one step of the formula.

        Args:
            closure: computes the loss anew, with its gradients; called first, if given.

        Returns:
            What the closure returned, or None.

        Raises:
            ShapeError: a ``.grad`` that has not the shape of its parameter.
            DtypeError: a ``.grad`` that is no tensor.
        """
        loss = None
        if closure is not None:
            if not callable(closure):
                raise DtypeError(
                    f"{type(self).__name__}.step: got a {type(closure).__name__}, expected "
                    "nothing, or a function that computes the loss. Write optimizer.step()."
                )
            with enable_grad():
                loss = closure()
        if recording.get() & RECORD_ALL:
            self._record_step()
            return loss
        # One tick stamps all that this step writes: an older graph that still needs the old values
        # is refused in its backward pass.
        now = last_write[0] = self._memory[0] = tick()
        for group in self.param_groups:
            self._step_group(group, now)
        return loss

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own: ``{"params": ..., "lr": 0.01}``.

        Raises:
            ArgumentError, DtypeError, GraphError: as when constructing; nothing is then added.
        """
        who = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise DtypeError(
                f"{who}: got {param_group!r:.60} as a parameter group, expected a dictionary with "
                'the key "params". Write {"params": model.parameters(), "lr": 0.1}.'
            )
        taken = {id(p) for group in self.param_groups for p in group["params"]}
        params, names = checked_parameters(who, param_group["params"], taken)
        group: Group = {"params": params}
        unknown = sorted(set(param_group) - {"params", "initial_lr", *self.defaults})
        if unknown:
            raise ArgumentError(
                f"{who}: got the unknown option {unknown[0]!r} in a parameter group, expected "
                f"some of {sorted(self.defaults)}. Correct the spelling."
            )
        for key, default in self.defaults.items():
            group[key] = param_group.get(key, default)
        if "initial_lr" in param_group:
            group["initial_lr"] = param_group["initial_lr"]
        if names:
            group["param_names"] = names
        checked_number(who, "lr", group["lr"], least=0)
        self._check(group)
        self.param_groups.append(group)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state and the options: nested dictionaries of arrays and numbers.

        Parameters are numbered by their position over all groups, as in PyTorch.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course import optim
            >>> optimizer = optim.SGD([tc.ones(2, requires_grad=True)], lr=0.5)
            >>> optimizer.state_dict()["param_groups"][0]["lr"]
            0.5
        """
        numbers: dict[Tensor, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[p] = len(numbers)
            groups.append({**group, "params": [numbers[p] for p in group["params"]]})
        state = {
            i: {
                key: int(value) if key == "step" else _copied(value)
                for key, value in self.state[p].items()
            }
            for p, i in numbers.items()
            if p in self.state
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state and the options of `state_dict`, which is copied.

        Args:
            state_dict: from `state_dict` of an optimizer of this kind over the same parameters.

        Raises:
            StateDictError: it does not fit; the optimizer then stays as it is.
        """
        state, groups = self._fitting(state_dict)
        for group, loaded in zip(self.param_groups, groups, strict=True):
            group.update((k, v) for k, v in loaded.items() if k not in ("params", "param_names"))
        self.state = self._states(state)

    def __repr__(self) -> str:
        """Show the options of each group."""
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"  group {i}: {len(group['params'])} parameters")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key[:5] != "param"]
        return "\n".join([*lines, ")"])

    # --- the step ---------------------------------------------------------------------------

    def _step_group(self, group: Group, now: int) -> None:
        """Apply the formula to the arrays of one group."""
        update = type(self).update
        used = self._used(group)
        options = self._options(group)
        lr = float(group["lr"])
        params = group["params"]
        if self.elementwise:
            joined, others = self._plan(group, used)
            if joined is not None and joined.step(update, lr, options):
                for p in joined.params:
                    (p._memory or p._stamp())[0] = now
                params = others
        for p in params:
            grad = p.grad
            if grad is None:
                continue
            x = p._data
            if type(grad) is not Tensor or grad._data.shape != x.shape:
                self._refuse_gradient(p)
            try:
                entry = self.state[p]
                moments = [m and entry[m]._data for m in used]
            except KeyError:
                entry = self._start(p, used, group)
                moments = [m and entry[m]._data for m in used]
            t = entry["step"] = int(entry["step"]) + 1
            if self.elementwise and x.size > SMALL:
                work = self._work_for(x)
                update(x, grad._data, lr, t, *moments, *options, work=work)
            else:
                update(x, grad._data, lr, t, *moments, *options)
            (p._memory or p._stamp())[0] = now

    def _work_for(self, x: Any) -> Work:
        """Return two kept arrays like `x`, for intermediate results.

        A fresh large array costs as much as the arithmetic: the system maps it in page by page.
        """
        kept = self._work.get(x.shape)
        if kept is None or kept[0].dtype != x.dtype:
            kept = self._work[x.shape] = (np.empty_like(x), np.empty_like(x))
        return kept

    def _plan(
        self, group: Group, used: tuple[str | None, ...]
    ) -> tuple[Joined | None, list[Tensor]]:
        """Return the group's small parameters, joined, and the others."""
        params = group["params"]
        plan = self._plans.get(id(group))
        if plan is not None:
            kind, count, joined, others = plan
            if kind == used and count == len(params):
                if joined is None or joined.valid(self.state):
                    return joined, others
        small = [
            p
            for p in params
            if p.grad is not None and p._data.size <= SMALL and p.dtype == params[0].dtype
        ]
        chosen = {id(p) for p in small}
        others = [p for p in params if id(p) not in chosen]
        joined = None
        if len(small) > 1:
            joined = Joined(small, [self._start(p, used, group) for p in small], used)
        self._plans[id(group)] = (used, len(params), joined, others)
        return joined, others

    def _start(self, p: Tensor, used: tuple[str | None, ...], group: Group) -> dict[str, Any]:
        """Return the state of `p`, with every moment in use."""
        entry = self.state.setdefault(p, {"step": 0})
        for name in used:
            if name is not None and name not in entry:
                entry[name] = self._moment(self._first(name, p._data, group))
        return entry

    def _restart(self, p: Tensor) -> None:
        """Give the state of `p` the values that it started from, in its arrays."""
        group = next(g for g in self.param_groups if any(q is p for q in g["params"]))
        entry = self.state[p]
        for name, moment in entry.items():
            if name != "step":
                moment._data[...] = self._first(name, p._data, group)
        entry["step"] = 0

    def _moment(self, array: Any) -> Tensor:
        made = wrap(array)
        made._memory = self._memory
        return made

    def _record_step(self) -> None:
        """Take the step in recorded operations; `assignments` is told what got a new value.

        The formula runs on copies, and `assign` then gives each state its new value: parameters
        stay leaves, and the graph has the old state as input and the new one as output.
        """
        # Without RECORD_GRAD: the step itself is not differentiated.
        token = recording.set(recording.get() & ~RECORD_GRAD)
        journal = active()
        try:
            counted = self._record_counts()
            for k, group in enumerate(self.param_groups):
                lr = self._rate_of(k, group)
                for p in group["params"]:
                    if p.grad is not None:
                        self._record_update(p, group, lr, counted)
                    elif journal is not None and p not in journal.cleared:
                        journal.skipped[p] = None
            for t, new in counted.items():
                give(t, apply(assign, (t, new)))
        finally:
            recording.reset(token)

    def _rate_of(self, k: int, group: Group) -> Tensor:
        """Return the learning rate of a group as a leaf: a replay may use another one."""
        if len(self._rates) <= k:
            self._rates += [wrap(np.array(np.nan)) for _ in self.param_groups[k:]]
        if self._rates[k]._data != group["lr"]:
            self._rates[k] = wrap(np.array(float(group["lr"])))
            self._rates[k].name = "lr"
        journal = active()
        if journal is not None:
            journal.refresh[self._rates[k]] = partial(group.__getitem__, "lr")
            journal.optimizers[self] = None
        return self._rates[k]

    def _record_counts(self) -> dict[Tensor, Tensor]:
        """Count the step: return the recorded number of steps so far -> that number plus one.

        Parameters with the same number of steps share it, so that a graph has one ``t``.
        """
        entries = []
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and self._counts(group):
                    self._refuse_gradient(p)
                    entries.append(self._start(p, self._used(group), group))
        ours = {id(entry) for entry in entries}
        left = {id(e.get("step")) for e in self.state.values() if id(e) not in ours}
        shared: dict[int, Tensor] = {}
        journal = active()
        for entry in entries:
            before = entry["step"]
            if journal is not None and type(before) is int:
                journal.counts.append((entry, before))
            recorded = isinstance(before, Tensor)
            key = id(before) if recorded else before
            if key not in shared:
                shared[key] = before if recorded and key not in left else self._count(before)
            entry["step"] = shared[key]
        if journal is not None:
            journal.afterwards.append(partial(_make_plain, entries))
            journal.commits.append(partial(_count_up, entries))
            for entry in entries:
                journal.refresh[entry["step"]] = partial(entry.__getitem__, "step")
            journal.born.difference_update(shared.values())
        return {t: t + 1 for t in shared.values()}

    def _count(self, before: Any) -> Tensor:
        """Return a number of steps, plain or recorded, as a leaf of its own."""
        t = self._moment(np.array(float(getattr(before, "_data", before))))
        t.name = "t"
        if isinstance(before, Tensor):
            note_same(t, before)
        return t

    def _record_update(
        self, p: Tensor, group: Group, lr: Tensor, counted: dict[Tensor, Tensor]
    ) -> None:
        self._refuse_gradient(p)
        used = self._used(group)
        states = [p]
        t: Any = 1
        if self._counts(group):
            entry = self.state[p]
            t = counted[entry["step"]]
            states += [entry[m] for m in used if m is not None]
            journal = active()
            if journal is not None:
                for m in filter(None, used):
                    journal.parts[entry[m]] = (p, m)
        copies = [state.clone() for state in states]
        fresh = iter(copies[1:])
        moments = [None if m is None else next(fresh) for m in used]
        type(self).update(copies[0], p.grad, lr, t, *moments, *self._options(group))
        values = [apply(assign, pair) for pair in zip(states, copies, strict=True)]
        for state, value in zip(states, values, strict=True):
            give(state, value)

    # --- checks -----------------------------------------------------------------------------

    def _refuse_gradient(self, p: Tensor) -> None:
        """Raise when ``p.grad`` is no tensor of the parameter's shape."""
        if not isinstance(p.grad, Tensor):
            raise DtypeError(
                f"{type(self).__name__}.step: .grad of the parameter{called(p)} is a "
                f"{type(p.grad).__name__}, expected a tensor. Write p.grad = tc.tensor(values)."
            )
        if p.grad.shape != p.shape:
            raise ShapeError(
                f"{type(self).__name__}.step: the parameter{called(p)} has shape {p.shape}, its "
                f".grad {p.grad.shape}; they must be equal. Set .grad to None and call backward() "
                "anew."
            )

    def _fitting(
        self, state_dict: Mapping[str, Any]
    ) -> tuple[dict[Tensor, dict[str, Any]], list[Mapping[str, Any]]]:
        """Return the state and the groups of a state dict, or refuse it."""
        who = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or set(state_dict) != {"state", "param_groups"}:
            got = sorted(map(str, state_dict)) if isinstance(state_dict, Mapping) else state_dict
            raise StateDictError(
                f"{who}: got {got!r:.80}, expected the keys 'param_groups' and 'state'. "
                "Pass what state_dict() of an optimizer returned."
            )
        groups = list(state_dict["param_groups"])
        sizes = [len(group["params"]) for group in groups]
        expected = [len(group["params"]) for group in self.param_groups]
        if sizes != expected:
            raise StateDictError(
                f"{who}: got groups of {sizes} parameters, expected {expected}. "
                "Build the optimizer over the same model, with the same groups."
            )
        for i, group in enumerate(groups):
            missing = sorted(set(self.defaults) - set(group))
            if missing:
                raise StateDictError(
                    f"{who}: group {i} lacks the option {missing[0]!r}; it has {sorted(group)}. "
                    "It seems to come from another kind of optimizer."
                )
            checked_number(who, "lr", group["lr"], least=0)
            self._check(dict(group))
        # Numbers are taken by position, whatever they are in the saved groups.
        ids = [number for group in groups for number in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        owner = dict(zip(ids, params, strict=True))
        state: dict[Tensor, dict[str, Any]] = {}
        for number, entry in state_dict["state"].items():
            if number not in owner:
                raise StateDictError(
                    f"{who}: got state for parameter {number!r}, expected one of {ids}. "
                    "Pass what state_dict() returned, unchanged."
                )
            p = owner[number]
            state[p] = {key: self._loaded(who, number, p, key, v) for key, v in entry.items()}
            state[p].setdefault("step", 0)
        return state, groups

    def _loaded(self, who: str, number: Any, p: Tensor, key: str, value: Any) -> Any:
        """Return one value of a parameter's state as it is kept here."""
        if self._steps_itself() and key not in (*self.moments, "step"):
            # An optimizer of one's own: what it remembers is its own affair.
            return wrap(np.array(value)) if isinstance(value, Tensor | np.ndarray) else value
        array = np.asarray(value)
        if key == "step":
            return int(array)
        if key not in self.moments:
            raise StateDictError(
                f"{who}: got the state {key!r} for parameter {number}, expected "
                f"{list(self.moments) or 'none'}. It comes from another kind of optimizer."
            )
        expected = () if key in self.single else p.shape
        if array.shape != expected:
            raise StateDictError(
                f"{who}: got {key!r} of shape {array.shape} for parameter {number}{called(p)} of "
                f"shape {p.shape}, expected {expected}. Build the model as the saved one was."
            )
        return self._moment(np.array(array, dtype=p.dtype))


def _count_up(entries: list[dict[str, Any]]) -> None:
    """Count a step that was replayed."""
    for entry in entries:
        entry["step"] += 1


def _make_plain(entries: list[dict[str, Any]]) -> None:
    """Make the step counts of a recorded step plain numbers again."""
    for entry in entries:
        entry["step"] = int(entry["step"])


def _copied(value: Any) -> Any:
    """Return the numbers of a moment, or what else an optimizer of one's own remembers."""
    return value._data.copy() if isinstance(value, Tensor) else value
