"""Exercises: a model's backward pass with blanks, on paper and as a program that checks itself.

`exercise` derives the backward pass and hides lines of it. The sheet has the equations with blanks;
the skeleton is a NumPy program with blanks in the same places, under the same names, which says
what is right and what is wrong when it is run.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors, naming
from ..graph import Graph, GraphNode
from ..op import helpers_of
from ..tensor import Tensor
from . import program as layout
from . import self_check
from .equations import Block, Equations, equations
from .lines import Derivation, Line, derive
from .notation import names_in, relayout
from .program import Assignment, Statement
from .source import TITLES, Spelling
from .writer import Writer

if TYPE_CHECKING:
    from ..checking.verdicts import BackpropReport, Verdict

BLANK = "______"
LATEX_BLANK = r"\underline{\hspace{5em}}"
MARK = "### YOUR CODE HERE ###"

# The functions of `self_check` that a program ends with.
_CHECKS = ("check", "run_backward", "compare", "differences", "cost_at", "mistake", "diagnosis")

# What the program calls its own; a tensor of that name is written with an underscore.
_TAKEN = (
    *("forward", "backward", "stepped", "example", "values", "step", "M", "EPS", "TOLERANCE"),
    *("ENTRIES", "BLANKS", "PARAMETERS", "DERIVATIVE_OF", "POWER_OF_M", "inspect"),
    *_CHECKS,
)


class Exercise(str):
    """An exercise: a string, the sheet, with more to it. Made by `exercise`.

    Attributes:
        sheet: the equations, with blanks unless solutions were asked for.
        skeleton: the program to fill in.
        solution: the program filled in.
        hidden: the names of the hidden lines, such as ``dZ[1]``, in the order of computing.
    """

    sheet: Equations
    skeleton: str
    solution: str
    hidden: tuple[str, ...]
    _loss: Any
    _wrt: Any
    _inputs: dict[str, Any]
    _names: dict[str, str]
    _blanks: dict[str, tuple[int, ...]]
    # Of a graph of numbers: the derivatives of the values on the way, and whose they are.
    _steps: dict[str, tuple[float, str]]

    def check(self, yours: Any) -> BackpropReport:
        """Say what is right and what is wrong in a solution.

        Args:
            yours: the program filled in, as a path, its namespace or a module; or a dictionary of
                arrays, such as ``{"dZ1": …}``, computed from the data and parameters of the loss.

        Returns:
            The report of `check_backprop`: printed, a verdict for each value.

        Raises:
            ArgumentError: there is no such file, or it cannot be run.
            DtypeError: `yours` is something else.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course.derivation.exercise import exercise
            >>> a = tc.tensor(5.0, requires_grad=True, name="a")
            >>> b = tc.tensor(3.0, requires_grad=True, name="b")
            >>> task = exercise(a * b, hide="da")
            >>> task.check({"da": 3.0, "db": 5.0}).passed
            True
        """
        from ..checking.backprop import check_backprop

        values, problem = self._values(yours)
        given = {name: x for name, x in values.items() if x is not None}
        steps = [self._verdict(name, given.pop(name)) for name in self._steps if name in given]
        names = {name: ours for name, ours in self._names.items() if ours != name in given}
        report = check_backprop(self._loss, given, wrt=self._wrt, names=names)
        report = replace(
            report,
            verdicts=(*steps, *report.verdicts),
            passed=report.passed and all(step.ok for step in steps),
        )
        return self._with_blanks(report, values, problem)

    def _verdict(self, name: str, value: Any) -> Verdict:
        """Compare a step between numbers, of which `check_backprop` knows nothing."""
        from ..checking.verdicts import Verdict

        right, quantity = self._steps[name]
        try:
            mine = float(value)
        except (TypeError, ValueError):
            mine = np.inf
        error = abs(mine - right)
        apart = error / (abs(mine) + abs(right)) if error else 0.0
        if apart < 1e-7:
            return Verdict(name, self._names[name], True, apart, error)
        told = f"{name} is not the derivative of the result with respect to {quantity}."
        return Verdict(name, self._names[name], False, apart, error, (), "unknown", told)

    def _values(self, yours: Any) -> tuple[Mapping[str, Any], str]:
        """Return what was computed, and what stopped the program."""
        if isinstance(yours, (str, Path)):
            yours = _namespace(yours)
        if isinstance(yours, ModuleType):
            yours = vars(yours)
        if not isinstance(yours, Mapping):
            raise errors.DtypeError(
                f"exercise: got {type(yours).__name__} to check, expected the path of the program "
                "filled in, its namespace, or a dictionary of arrays such as {'dZ1': …}."
            )
        if not callable(yours.get("backward")):
            return yours, ""
        run = yours.get("run_backward")
        if not callable(run):
            raise errors.ArgumentError(
                "exercise: the program to check has no run_backward(), which belongs to its check. "
                "Start again from the skeleton, and leave what is below the line as it is."
            )
        values, problem = run(dict(self._inputs))
        return values, problem

    def _with_blanks(
        self, report: BackpropReport, values: Mapping[str, Any], problem: str
    ) -> BackpropReport:
        """Return a report that also tells which blanks are empty, and what stopped the program."""
        from ..checking.verdicts import Verdict

        empty = [name for name in self._blanks if name in values and values[name] is None]
        if not empty and not problem:
            return report
        verdicts = [v for v in report.verdicts if v.kind != "missing"]
        for name in empty:
            told = f"{name} is not filled in yet."
            shape = self._blanks[name]
            verdicts.append(
                Verdict(name, self._names[name], False, np.inf, np.inf, shape, "missing", told)
            )
        causes = report.causes
        if problem and not empty:
            causes = (*causes, f"Your backward() stops{problem}.")
        return replace(report, verdicts=tuple(verdicts), causes=causes, passed=False)

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return self.sheet.markdown

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def exercise(
    loss: Tensor | Graph,
    hide: Any = None,
    wrt: Any = None,
    notation: str = "auto",
    mean: str = "course",
    solution: bool = False,
) -> Exercise:
    r"""Return an exercise on the backward pass of a loss: equations and a program with blanks.

    Args:
        loss: the loss, a scalar tensor, or a graph captured from one with its backward pass.
        hide: what to find out: the name of a line of the backward pass, such as "dZ1" or "dZ[1]",
            or several; by default all lines.
        wrt: tensors, or their names, to differentiate with respect to; by default all parameters.
        notation: "auto", "columns", "rows" or "welch", as for `equations`.
        mean: "course" or "exact", as for `equations`.
        solution: show the solutions in place of the blanks.

    Returns:
        The sheet, a string that also has the program: ``.skeleton`` to fill in, ``.solution``
        filled in, and ``.check(…)``, which tells what is wrong.

    Raises:
        ArgumentError: `hide` names something that is no line of the backward pass.
        GraphError: there is no backward pass.

    Example:
        >>> import numpy as np, tinygrad_course as tc
        >>> from tinygrad_course.derivation.exercise import exercise
        >>> X, Y = (tc.tensor(np.ones((n, 4)), name=name) for n, name in ((2, "X"), (1, "Y")))
        >>> net = tc.nn.Sequential(tc.nn.Dense(2, 1, activation="sigmoid", layout="columns"))
        >>> task = exercise(tc.nn.BCELoss()(net(X), Y), hide=["dZ1", "db1"])
        >>> print("\n".join(task.sheet.backward))
        dZ[1] = ______
        dW[1] = (1/m) dZ[1] Xᵀ
        db[1] = ______
        >>> scope = {}
        >>> exec(task.solution, scope)
        >>> task.check(scope).passed
        True
    """
    sheet = equations(loss, wrt, notation, mean)
    source = relayout(loss, notation)
    derivation = derive(source, wrt, "exact" if notation == "welch" else mean)
    backward = [line for line in derivation.lines if line.section == "backward"]
    if not backward:
        raise errors.GraphError(
            "exercise: there is no backward pass to ask for. Pass a loss, a single number computed "
            "from parameters with requires_grad=True."
        )
    names = names_in(notation, derivation)
    spelled = Spelling(derivation, _TAKEN)
    for name, called in names.items():
        spelled.names[name] = _identifier(called)
    hidden = _chosen(hide, derivation, spelled, names)
    program = _Program(derivation, spelled)
    shown = sheet if solution else blanked(sheet, hidden)
    made = str.__new__(Exercise, str(shown))
    made.sheet = shown
    made.skeleton = program.text(hidden, blank=True)
    made.solution = program.text(hidden, blank=False)
    made.hidden = tuple(line.name for line in backward if line.name in hidden)
    made._loss, made._wrt = source, wrt
    made._inputs = {
        spelled.names[n.name]: np.array(n.value, np.float64 if n.dtype.kind == "f" else None)
        for n in derivation.leaves
        if n.value is not None
    }
    made._names = {spelled.names[x.name]: naming.compact(x.name) for x in derivation.lines}
    results = derivation.evaluate() if derivation.scalar else {}
    leaves = {node.name for node in derivation.leaves}
    made._steps = {
        spelled.names[line.name]: (float(results[line.name]), line.of)
        for line in backward
        if derivation.scalar and line.of is not None and line.of not in leaves
    }
    made._blanks = {
        spelled.names[x.name]: derivation.graph[x.index].shape for x in backward if x.name in hidden
    }
    return made


# --- what to hide -------------------------------------------------------------------------------


def _chosen(
    hide: Any, derivation: Derivation, spelled: Spelling, names: dict[str, str]
) -> frozenset[str]:
    """Return the names of the lines to hide."""
    lines = [line for line in derivation.lines if line.section == "backward"]
    if hide is None:
        return frozenset(line.name for line in lines)
    writer = Writer(derivation, "text", names)
    known: dict[str, str] = {}
    for line in lines:
        for spelling in (line.name, writer.left(line), spelled.names[line.name]):
            known.setdefault(naming.compact(spelling), line.name)
    wanted = [hide] if isinstance(hide, str) else list(hide)
    if not wanted:
        raise errors.ArgumentError(
            "exercise: hide is empty, so there is nothing to find out. Leave it out to hide every "
            "line of the backward pass."
        )
    found = set()
    for name in wanted:
        if not isinstance(name, str):
            raise errors.DtypeError(
                f"exercise: hide names lines by strings such as 'dZ1', got {type(name).__name__}."
            )
        meant = known.get(naming.compact(name.strip()))
        if meant is None:
            raise errors.ArgumentError(f"exercise: {_unknown(name, known, derivation)}")
        found.add(meant)
    return frozenset(found)


def _unknown(name: str, known: dict[str, str], derivation: Derivation) -> str:
    """Say that there is no such line, and which one may be meant."""
    short = naming.compact(name.strip())
    others = {naming.compact(x.name) for x in derivation.lines if x.section != "backward"}
    others |= {naming.compact(node.name) for node in derivation.leaves}
    if short in others:
        close = [known[f"d{short}"]] if f"d{short}" in known else []
        what = f"{name!r} is no line of the backward pass"
    else:
        lower = {key.lower(): line for key, line in known.items()}
        spelled = short.lower()
        keys = [spelled] if spelled in lower else difflib.get_close_matches(spelled, lower, n=3)
        close = list(dict.fromkeys(lower[key] for key in keys))
        what = f"there is no line {name!r} in the backward pass"
    if close:
        return f"{what}: did you mean {' or '.join(close)}?"
    return f"{what}. Its lines are {', '.join(dict.fromkeys(known.values()))}."


def _identifier(name: str) -> str:
    """Return a name of Welch's notation as his programs spell it: z2, delta3, dJdW1, yHat."""
    spelled = {"δ": "delta", "∂J/∂": "dJd", "ŷ": "yHat"}
    for sign, word in spelled.items():
        name = name.replace(sign, word)
    return re.sub(r"\W", "", name)


# --- the sheet ----------------------------------------------------------------------------------


def blanked(sheet: Equations, hidden: frozenset[str]) -> Equations:
    """Return a sheet with blanks in the place of the right-hand sides of lines."""
    blocks = [
        Block(
            block.title,
            tuple(
                replace(
                    row,
                    text=f"{row.text.partition(' = ')[0]} = {BLANK}",
                    latex=(row.latex[0], LATEX_BLANK),
                    remark="",
                )
                if row.line is not None and row.line.name in hidden
                else row
                for row in block.rows
            ),
        )
        for block in sheet.blocks
    ]
    return Equations(sheet.derivation, blocks, sheet.remarks, "text")


# --- the program --------------------------------------------------------------------------------


class _Program:
    """The program of an exercise, with or without blanks."""

    def __init__(self, derivation: Derivation, spelled: Spelling) -> None:
        self.d = derivation
        self.s = spelled
        self.result = derivation.graph.outputs[0].name
        self.ahead = [line for line in derivation.lines if line.section != "backward"]
        self.backward = [line for line in derivation.lines if line.section == "backward"]
        read = {name for line in self.backward for name in derivation.reads(line)}
        self.kept = [x for x in self.ahead if x.name != self.result or x.name in read]
        statements = [spelled.statement(line) for line in self.ahead]
        self.data, self.parameters, self.numbers = spelled.arguments(statements)
        lengths = {n for node in derivation.leaves for n in node.shape}
        self.m = next(m for m in (5, 7, 11, 13, 17) if m not in lengths)
        # A parameter that was positive may have to be, as in log(θ): it is when all else fails.
        self.positive = False
        self.positive = not self._runs()

    def _runs(self) -> bool:
        """Return True when the forward pass of the example gives numbers."""
        scope: dict[str, Any] = {"__name__": "exercise"}
        with np.errstate(all="ignore"):
            exec(self.text(frozenset(), blank=False), scope)
            J, values = scope["forward"](**scope["example"]())
        return all(np.isfinite(x).all() for x in (J, *values.values()))

    def text(self, hidden: frozenset[str], blank: bool) -> str:
        """Return the whole program."""
        functions = [self._forward(), self._backward(hidden, blank)]
        below = [*self._tables(hidden), self._example()]
        intermediate = self._intermediate()
        if intermediate:
            below.append(self._stepped(intermediate))
        below += [inspect.getsource(getattr(self_check, name)).rstrip() for name in _CHECKS]
        below.append('if __name__ == "__main__":\n    raise SystemExit(0 if check() else 1)')
        title = "Backpropagation, to be filled in." if blank else "Backpropagation, filled in."
        told = ["rng is a np.random.Generator, or the seed of one."] * ("rng" in self.data)
        doc = f"{self.s.documentation(title, told)}\n\n{self._task(blank)}"
        below[0] = f"{_BELOW}\n\n{below[0]}"
        text = layout.module(doc, helpers_of("\n\n".join(functions)), [*functions, *below])
        return text.replace("import numpy as np\n", "import inspect\n\nimport numpy as np\n", 1)

    def _task(self, blank: bool) -> str:
        if not blank:
            return "Run this file: it checks itself."
        return (
            f"Write your lines below {MARK}, in the place of None, and run\n"
            "this file: it tells which are right, and what is wrong with the others."
        )

    def _forward(self) -> str:
        ahead = [x for section in ("forward", "cost") for x in self.s.section(section)]
        pairs = [f'"{self.s.names[line.name]}": {self.s.names[line.name]}' for line in self.kept]
        result = self.s.names[self.result]
        body: list[Statement] = [*self._draws(), *self.s.counts(ahead), *ahead, ""]
        body += [*layout.call("values = ", pairs, indent=4), f"return {result}, values"]
        arguments = [*self.data, *self.parameters, *self.numbers]
        doc = f"Return the cost {result}, and the values on the way to it."
        return layout.function("forward", arguments, doc, _trimmed(body))

    def _draws(self) -> list[Statement]:
        """Return what makes a generator of a seed, where random numbers are drawn."""
        return ["rng = np.random.default_rng(rng)"] if "rng" in self.data else []

    def _backward(self, hidden: frozenset[str], blank: bool) -> str:
        right = [self.s.statement(line) for line in self.backward]
        body: list[Statement] = [*self.s.counts(right), "", TITLES["backward"]]
        for line, statement in zip(self.backward, right, strict=True):
            if line.name in hidden and blank:
                body.append(MARK)
                shape = f"shape {statement.comment}" if statement.comment else ""
                statement = layout.assigned(statement.target, "None", shape)
            body.append(statement)
        pairs = [f'"{s.target}": {s.target}' for s in right]
        body += ["", *layout.call("grads = ", pairs, indent=4), "return grads"]
        doc = "Return the derivatives, from the last to the first."
        return layout.function("backward", self._reads(), doc, _trimmed(body))

    def _reads(self) -> list[str]:
        """Return the arguments of backward(): all there is, so as not to say what is needed."""
        data = [name for name in self.data if name != "rng"]
        known = [self.s.names[line.name] for line in self.kept]
        return [*data, *self.parameters, *known, *self.numbers]

    # --- below the line ---------------------------------------------------------------------

    def _tables(self, hidden: frozenset[str]) -> list[str]:
        names = self.s.names
        quantities = {node.name for node in self.d.leaves} | {line.name for line in self.kept}
        of = {x: str(x.of) for x in self.backward if x.of in quantities}
        parameters = [names[n.name] for n in self.d.leaves if n.role == "parameter"]
        blanks = [names[x.name] for x in self.backward if x.name in hidden]
        rows = [
            *layout.broken("BLANKS = ", layout.parsed(repr(blanks))),
            *layout.broken("PARAMETERS = ", layout.parsed(repr(parameters))),
            *layout.call(
                "DERIVATIVE_OF = ", [f'"{names[x.name]}": "{names[o]}"' for x, o in of.items()]
            ),
            *layout.call("POWER_OF_M = ", [f'"{names[x.name]}": {x.scale}' for x in of if x.scale]),
            f"M = {self.m if self.d.m is not None else 1}  # examples to check with",
            "EPS = 1e-5  # the step of central differences, near the best for float64",
            "TOLERANCE = 1e-6  # right lines stay far below it, a wrong factor far above",
            "ENTRIES = 400  # so many entries of an array are compared at most",
        ]
        return ["\n".join(rows)]

    def _example(self) -> str:
        rows = [
            f'        "{self.s.names[node.name]}": {self._drawn(node)},'
            for node in self.s.leaves
            if node.shape != () or node.role == "parameter" or self.d.scalar
        ]
        if "rng" in self.data:
            rows.append('        "rng": 1,  # a seed, so that the same numbers are drawn each time')
        return "\n".join(
            [
                "def example():",
                '    """Return random data and parameters to check with."""',
                "    rng = np.random.default_rng(0)",
                "    return {",
                *rows,
                "    }",
            ]
        )

    def _drawn(self, node: GraphNode) -> str:
        """Return an expression that draws numbers like those that a leaf has."""
        lengths = self.d.sizes.lengths(node.index)
        sizes = ["M" if n == "m" else str(k) for n, k in zip(lengths, node.shape, strict=True)]
        shape = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        value = np.asarray(1.0 if node.value is None else node.value)
        low, high = (value.min(), value.max()) if value.size else (1, 1)
        if value.dtype.kind == "b":
            return f"rng.random({shape}) < 0.5"
        if value.dtype.kind in "iu":
            return f"rng.integers({low}, {high + 1}, {shape})"
        if node.role != "parameter" and bool(np.isin(value, (0, 1)).all()) and value.ndim:
            return _labels(value, sizes, shape)
        if low > 0 and (self.positive or node.role != "parameter"):
            return f"rng.uniform({low / 2:.2g}, {1.5 * high:.2g}, {shape})"
        if node.role != "parameter" and low >= 0 and high <= 1:
            return f"rng.random({shape})"
        spread = 1 / np.sqrt(max(node.shape, default=1))
        if node.role != "parameter":
            spread = float(value.std()) or 1.0
        factor = "" if 0.4 < spread < 2.5 else f"{spread:.1g} * "
        return f"{factor}rng.standard_normal({shape})"

    def _intermediate(self) -> list[Line]:
        """Return the values on the way whose derivatives are lines of their own."""
        of = {line.of for line in self.backward}
        return [line for line in self.kept if line.name in of]

    def _stepped(self, intermediate: Sequence[Line]) -> str:
        """Return the forward pass once more, with a step at one of its values."""
        among = {line.name for line in intermediate}
        body: list[Statement] = []
        for line in self.ahead:
            statement = self.s.statement(line)
            if line.name in among:
                target, source = statement.target, layout.written(statement.value)
                statement = layout.assigned(target, f'{source} + step.get("{target}", 0)')
            body.append(Assignment(statement.target, statement.value))
        result = self.s.names[self.result]
        body = [*self._draws(), *self.s.counts(body), *body, f"return {result}"]
        doc = "Return the cost with a step added to one of the values on the way to it."
        arguments = ["step", *self.data, *self.parameters, *self.numbers]
        return layout.function("stepped", arguments, doc, body)


_BELOW = "# --- the check: there is nothing to fill in below " + "-" * 37


def _labels(value: Any, sizes: list[str], shape: str) -> str:
    """Return an expression that draws labels: 0 and 1, or one 1 for each example."""
    for axis in range(value.ndim):
        classes = value.shape[axis]
        if value.ndim == 2 and classes > 1 and bool((value.sum(axis=axis) == 1).all()):
            drawn = f"np.eye({classes})[rng.integers(0, {classes}, {sizes[1 - axis]})]"
            return drawn if axis == 1 else f"{drawn}.T"
    return f"(rng.random({shape}) < 0.5).astype(float)"


def _trimmed(statements: list[Statement]) -> list[Statement]:
    """Return statements without an empty line in front."""
    return statements[1:] if statements and statements[0] == "" else statements


# --- checking -----------------------------------------------------------------------------------


def _namespace(path: str | Path) -> dict[str, Any]:
    """Run a program that was filled in, and return its names."""
    place = Path(path)
    if not place.is_file():
        raise errors.ArgumentError(
            f"exercise: there is no file {str(path)!r} to check. Write the skeleton to a file, "
            "fill it in, and pass its path."
        )
    scope: dict[str, Any] = {"__name__": "exercise", "__file__": str(place)}
    try:
        exec(compile(place.read_text(encoding="utf-8"), str(place), "exec"), scope)
    except Exception as error:
        raise errors.ArgumentError(
            f"exercise: {str(path)!r} cannot be run: {type(error).__name__}: {error}"
        ) from error
    return scope


__all__ = ["Exercise", "exercise"]
