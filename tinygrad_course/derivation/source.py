"""The derivation as a NumPy program that stands on its own: `source`.

The program has the lines of the derivation, one statement each, in their order and under their
names; what the statements read is an argument, and m is read from the shape of the data. Here one
function holds them all; `course_functions` divides them among the functions of the course, and
`updates` adds the optimizer and the training loop.
"""

from __future__ import annotations

import ast
import linecache
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .. import errors
from ..graph import Graph, GraphNode
from ..naming import number_text
from ..op import helper_functions, helpers_of
from ..tensor import Tensor
from . import program as layout
from . import updates
from .lines import SECTIONS, Derivation, Line, derive
from .notation import relayout
from .program import Assignment, Statement
from .sizes import COUNTS
from .writer import Writer, identifier

FUNCTIONS = ("one", "layers")
TITLES = {
    "forward": "# forward propagation",
    "cost": "# cost",
    "backward": "# backward propagation",
}
# What the program itself calls something; a tensor of that name is written with an underscore.
RESERVED = frozenset("np rng grads parameters inf nan range dict len reversed".split())


Run = Callable[[Any, Mapping[str, Any], Any], tuple[Any, dict[str, Any]]]


class Program(str):
    """A NumPy program: a string, which also runs. Made by `source`.

    Attributes:
        function: the name of the function that returns the cost and the gradients, or the first of
            the functions of a model.
        arguments: the names of its arguments, in order.
        derivation: the lines it was written from.
    """

    function: str
    arguments: list[str]
    derivation: Derivation
    _run: Run

    def __new__(
        cls,
        text: str,
        function: str,
        arguments: Sequence[str],
        derivation: Derivation,
        run: Run,
    ) -> Program:
        """Keep the text and what is known of it.

        `run` calls the compiled functions: ``run(functions, values, rng)`` returns the cost (or the
        outputs), and the gradients by the names of the leaves.
        """
        made = super().__new__(cls, text)
        made.function = function
        made.arguments = list(arguments)
        made.derivation = derivation
        made._run = run
        return made

    def evaluate(
        self, values: Mapping[str, Any] | None = None, drawn: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the program, and return its results by the names of the derivation's lines.

        Args:
            values: arrays for parameters and data, by their names in the derivation; the others
                keep the values they were captured with.
            drawn: what random operations drew, such as a dropout mask, by the names of their lines.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course.derivation.source import source
            >>> w = tc.tensor(3.0, requires_grad=True, name="w[1]")
            >>> found = source(w * w).evaluate({"w[1]": 5.0})
            >>> float(found["J"]), float(found["dw[1]"])
            (25.0, 10.0)
        """
        d = self.derivation
        known = {node.name: node.value for node in d.leaves}
        known.update(values or {})
        masks = [drawn[line.name] for line in d.lines if line.name in drawn] if drawn else []
        results, slopes = self._run(self.compile(), known, _Drawn(masks))
        outputs = results if isinstance(results, tuple) else (results,)
        found = {n.name: y for n, y in zip(d.graph.outputs, outputs, strict=True)}
        found.update({g.name: slopes[g.of] for g in gradients_of(d) if g.of in slopes})
        return found

    def compile(self, np: Any = None) -> Any:
        """Run the program's definitions, and return a module that has its functions.

        Args:
            np: what to compute with in place of NumPy, such as ``jax.numpy``.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course.derivation.source import source
            >>> a = tc.tensor(5.0, requires_grad=True, name="a")
            >>> functions = source(a * a * a).compile()
            >>> J, grads = functions.forward_backward(2.0)
            >>> float(J), float(grads["da"])
            (8.0, 12.0)
        """
        text = str(self)
        if np is not None:
            text = text.replace("\nimport numpy as np\n", "\n\n", 1)
        made = ModuleType(self.function)
        if np is not None:
            vars(made)["np"] = np
        # Known to linecache, so that a traceback shows the program's lines.
        place = f"<{self.function} {abs(hash(text)):x}>"
        linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
        exec(compile(text, place, "exec"), vars(made))
        return made

    def verify(self, **options: Any) -> Any:
        """Compare the program with autodiff on random numbers; see `derivation.verify`."""
        from .verify import verify

        return verify(self, **options)

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


class _Drawn:
    """In place of a random generator: what draws masks that are known already."""

    def __init__(self, masks: Sequence[Any]) -> None:
        self.masks = list(masks)

    def random(self, shape: Any) -> Any:
        """Return numbers that are below any bound exactly where the next mask is not 0."""
        return np.where(np.asarray(self.masks.pop(0)) != 0, 0.0, 1.0).reshape(shape)


def source(
    loss: Tensor | Graph,
    wrt: Any = None,
    notation: str = "auto",
    style: str = "course",
    functions: str = "one",
    optimizer: Any = None,
    loop: bool = False,
    name: str | None = None,
) -> Program:
    '''Return a NumPy program that computes a loss and its gradients by backpropagation.

    The program is the derivation that `equations` prints, a statement for each equation. It needs
    NumPy alone, runs for any number of examples m, and changes nothing in place, so it also runs
    with ``jax.numpy`` imported as ``np``.

    Args:
        loss: the loss, a scalar tensor, or a graph: ``tc.trace(f, X, Y)`` has what `f` computes
            with data alone in it too. From a tensor that is no scalar, a program of the forward
            pass.
        wrt: tensors, or their names, to differentiate with respect to; by default all parameters.
        notation: "columns" or "rows" for examples as columns or rows; "auto" as the model has them.
        style: where the 1/m of a mean stands: "course" in the gradients of the parameters, "exact"
            in the derivative where it arises. The gradients are the same.
        functions: "one" function for all, or "layers": the functions of the Deep Learning
            Specialization, with caches (`linear_forward`, `L_model_backward`, …), for a model that
            is a chain of fully connected layers.
        optimizer: adds the update of the parameters: "sgd", "adam", … or an `optim.Optimizer`,
            whose options become the defaults.
        loop: adds `train`, a training loop.
        name: what to call the function; by default ``forward_backward``.

    Returns:
        The text of the program, a `Program`: ``print`` it, write it to a file, or ``.compile()``
        it.

    Raises:
        GraphError: nothing was recorded; an operation without NumPy spelling; with
            ``functions="layers"``, a model that is no chain of layers.
        ArgumentError: an argument outside of what is listed here.

    Example:
        >>> import numpy as np
        >>> import tinygrad_course as tc
        >>> X = tc.tensor(np.ones((2, 5)), name="X")
        >>> Y = tc.tensor(np.ones((1, 5)), name="Y")
        >>> layer = tc.nn.Dense(2, 1, activation="sigmoid", layout="columns")
        >>> J = tc.nn.BCELoss()(tc.nn.Sequential(layer)(X), Y)
        >>> print(source(J))
        """Forward and backward propagation, written out in NumPy.
        <BLANKLINE>
        Shapes, for any number m of examples:
        <BLANKLINE>
            X   (n[0], m)     n[0] = 2
            Y   (n[1], m)     n[1] = 1
            W1  (n[1], n[0])
            b1  (n[1], 1)
        <BLANKLINE>
        dZ1 is the derivative of the sum of the losses, not of their mean; the 1/m of the mean
        stands in the gradients of the parameters.
        """
        <BLANKLINE>
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def sigmoid(z):
            # The logistic function.
            return 1 / (1 + np.exp(-z))
        <BLANKLINE>
        <BLANKLINE>
        def forward_backward(X, Y, W1, b1):
            """Return the cost J and its gradients."""
            m = X.shape[1]
        <BLANKLINE>
            # forward propagation
            Z1 = W1 @ X + b1  # (n[1], m)
            A1 = sigmoid(Z1)  # (n[1], m)
        <BLANKLINE>
            # cost
            J = -(1 / m) * np.sum(Y * np.log(A1) + (1 - Y) * np.log(1 - A1))
        <BLANKLINE>
            # backward propagation
            dZ1 = A1 - Y  # (n[1], m)
            dW1 = (1 / m) * (dZ1 @ X.T)  # (n[1], n[0])
            db1 = (1 / m) * np.sum(dZ1, axis=1, keepdims=True)  # (n[1], 1)
        <BLANKLINE>
            grads = {"dW1": dW1, "db1": db1}
            return J, grads
        <BLANKLINE>

        The gradients are those of ``J.backward()``:

        >>> functions = source(J).compile()
        >>> _, grads = functions.forward_backward(X.numpy(), Y.numpy(), *layer.get_weights())
        >>> J.backward()
        >>> np.allclose(grads["dW1"], layer.W.grad.numpy(), rtol=1e-6)
        True
    '''
    _check(functions, name)
    derivation = derive(relayout(loss, notation), wrt, style)
    if functions == "layers":
        from .course_functions import layered

        return layered(derivation, style, optimizer, loop)
    return in_one(derivation, optimizer, loop, name)


def _check(functions: str, name: str | None) -> None:
    if functions not in FUNCTIONS:
        raise errors.ArgumentError(
            f"source: functions is 'one' or 'layers', got {functions!r}. 'layers' writes the "
            "functions of the course, with caches."
        )
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise errors.ArgumentError(
            f"source: name is what to call the function, got {name!r}; expected a Python name such "
            "as 'forward_backward'."
        )


# --- one function -------------------------------------------------------------------------------


def in_one(d: Derivation, optimizer: Any, loop: bool, name: str | None) -> Program:
    """Return the program that has all lines in one function."""
    gradients = gradients_of(d)
    function = name or ("forward_backward" if gradients else "forward")
    rule = updates.update_of(optimizer) if optimizer is not None or loop else None
    spelled = Spelling(d, {function, *(rule.taken if rule is not None else ())})
    statements = [s for section in SECTIONS for s in spelled.section(section)]
    data, parameters, numbers = spelled.arguments(statements)
    results = [spelled.names[n.name] for n in d.graph.outputs]
    summary = f"Return {' and '.join(results)}."
    ending: list[Statement] = []
    keys = spelled.in_order(gradients)
    if gradients:
        summary = f"Return the cost {results[0]} and its gradients."
        pairs = [f'"{key}": {key}' for key in keys]
        ending = ["", *layout.call("grads = ", pairs, indent=4)]
        results.append("grads")
    body = [*spelled.counts(statements), *statements, *ending, f"return {', '.join(results)}"]
    arguments = [*data, *parameters, *numbers]
    functions = [layout.function(function, arguments, summary, _trimmed(body))]
    if rule is not None:
        if not gradients:
            raise errors.GraphError(
                "source: an optimizer or a loop needs gradients, and this is a forward pass alone. "
                "Pass the loss, a scalar tensor that parameters led to."
            )
        updated = [key[1:] for key in keys]
        functions += updates.update_functions(rule, None if updated == parameters else updated)
        if loop:
            called = [*data, "**parameters", *(f"{n}={n}" for n in map(_bare, numbers))]
            step = layout.call(f"{results[0]}, grads = {function}", called, indent=8)
            functions.append(updates.training_loop(rule, data, numbers, step, results[0]))
    what = "Forward and backward propagation" if gradients else "Forward propagation"
    sentences = ["rng is a np.random.Generator, to draw random numbers."] * ("rng" in data)
    if rule is not None:
        sentences.append(f"The keys of the dictionary parameters are {_listed(parameters)}.")
    doc = spelled.documentation(f"{what}, written out in NumPy.", sentences)
    text = layout.module(doc, helpers_of("\n\n".join(functions)), functions)

    def run(module: Any, values: Mapping[str, Any], rng: Any) -> tuple[Any, dict[str, Any]]:
        known = {spelled.names[n.name]: values[n.name] for n in d.leaves}
        known |= {"rng": rng} if "rng" in data else {}
        found = getattr(module, function)(**known)
        if not gradients:
            return found, {}
        *costs, slopes = found
        results = costs[0] if len(costs) == 1 else tuple(costs)
        return results, {str(g.of): slopes[spelled.names[g.name]] for g in gradients}

    return Program(text, function, [_bare(a) for a in arguments], d, run)


def _bare(argument: str) -> str:
    """Return the name of an argument, without its default."""
    return argument.split("=")[0]


def _trimmed(statements: list[Statement]) -> list[Statement]:
    """Return statements without an empty line in front."""
    return statements[1:] if statements and statements[0] == "" else statements


def gradients_of(d: Derivation) -> list[Line]:
    """Return the lines that a program returns as gradients: those of leaves, or those asked for."""
    wanted = d.simplifier.wanted
    if wanted is None:
        names = {node.name for node in d.graph if node.op is None}
    else:
        names = {d.simplifier.original[i].name for i in wanted}
    found = {line.of: line for line in d.lines if line.section == "backward" and line.of in names}
    return list(found.values())


class Spelling:
    """How a program calls the leaves and lines of a derivation.

    Args:
        derivation: the lines.
        taken: further names that the program uses.

    Attributes:
        names: name of a leaf or line -> identifier, no two alike.
    """

    def __init__(self, derivation: Derivation, taken: Collection[str] = ()) -> None:
        self.d = derivation
        self.leaves = _left_to_right(derivation) if derivation.scalar else derivation.leaves
        self.names: dict[str, str] = {}
        used = {*taken, *RESERVED, *COUNTS, *helper_functions()}
        used -= set(COUNTS) - set(derivation.sizes.symbols())
        items: list[GraphNode | Line] = [*derivation.leaves, *derivation.lines]
        for item in items:
            wanted = plain_identifier(item.name)
            while wanted in used:
                wanted += "_"
            used.add(wanted)
            self.names[item.name] = wanted
        self.writer = Writer(derivation, "numpy", self.names)

    def statement(self, line: Line) -> Assignment:
        """Return a line of the derivation as a statement."""
        return layout.assigned(
            self.names[line.name], self.writer.right(line), self.shape(line.index)
        )

    def in_order(self, gradients: Sequence[Line]) -> list[str]:
        """Return the names of gradients in the order of the arguments."""
        order = {leaf.name: k for k, leaf in enumerate(self.leaves)}
        ordered = sorted(gradients, key=lambda g: order.get(str(g.of), -1))
        return [self.names[g.name] for g in ordered]

    def section(self, name: str) -> list[Statement]:
        """Return the statements of a section, below its title."""
        found = [self.statement(line) for line in self.d.lines if line.section == name]
        return ["", TITLES[name], *found] if found else []

    def shape(self, index: int) -> str:
        """Return the symbolic shape of a node as a comment, nothing for a number."""
        lengths = self.d.sizes.lengths(index)
        inner = ", ".join(map(str, lengths))
        return f"({inner},)" if len(lengths) == 1 else f"({inner})" if lengths else ""

    def arguments(self, statements: Sequence[Statement]) -> tuple[list[str], ...]:
        """Return the arguments of a function: data, parameters, and numbers such as λ.

        Numbers have the values that they were captured with as their defaults.
        """
        parameters = [self.names[n.name] for n in self.leaves if n.role == "parameter"]
        data, numbers = [], []
        for node in self.leaves:
            if node.role == "parameter":
                continue
            if node.shape == () and node.value is not None and not self.d.scalar:
                numbers.append(f"{self.names[node.name]}={_shortest(node.value)}")
            else:
                data.append(self.names[node.name])
        if "rng" in read_by(statements):
            data.append("rng")
        return data, parameters, numbers

    def counts(self, statements: Sequence[Statement]) -> list[Statement]:
        """Return statements such as ``m = X.shape[1]``, for what others read."""
        read = read_by(statements)
        found: list[Statement] = []
        for symbol in COUNTS:
            if symbol not in read or symbol not in self.d.sizes.symbols():
                continue
            for node in self.leaves:
                lengths = self.d.sizes.lengths(node.index)
                if symbol in lengths:
                    place = lengths.index(symbol)
                    source = f"{self.names[node.name]}.shape[{place}]"
                    found.append(layout.assigned(symbol, source))
                    break
        return found

    def documentation(self, title: str, sentences: Sequence[str] = ()) -> str:
        """Return the docstring of the file: what it is, the shapes, what is taken for granted."""
        lines = [title]
        rows = self._shape_rows()
        if rows:
            symbols = [s for s in COUNTS if s in self.d.sizes.symbols()]
            counted = f", for any number {' and '.join(symbols)} of examples" if symbols else ""
            lines += ["", f"Shapes{counted}:", "", *rows]
        for part in (sentences, self._remarks()):
            lines += ["", *layout.paragraph(" ".join(part))] if part else []
        return "\n".join(lines)

    def _shape_rows(self) -> list[str]:
        leaves: list[GraphNode] = sorted(self.leaves, key=_is_parameter)
        if self.d.scalar or not any(n.shape for n in leaves):
            return []
        defined = set(COUNTS)
        rows: list[tuple[str, str, str]] = []
        for node in leaves:
            remarks = []
            for symbol, length in zip(self.d.sizes.lengths(node.index), node.shape, strict=True):
                if isinstance(symbol, str) and symbol not in defined:
                    defined.add(symbol)
                    remarks.append(f"{symbol} = {length}")
            if node.dtype.kind in "iu":
                remarks.append("integers")
            if node.shape:
                shape = self.shape(node.index)
                rows.append((self.names[node.name], shape, ", ".join(remarks)))
        widths = [max(len(row[k]) for row in rows) for k in range(2)]
        return [
            f"{layout.INDENT}{n:<{widths[0]}}  {shape:<{widths[1]}}  {remark}".rstrip()
            for n, shape, remark in rows
        ]

    def _remarks(self) -> list[str]:
        found = []
        scaled = [self.names[line.name] for line in self.d.lines if line.scale]
        if scaled:
            are = "is the derivative" if len(scaled) == 1 else "are derivatives"
            found.append(
                f"{_listed(scaled)} {are} of the sum of the losses, not of their mean; the 1/m of "
                "the mean stands in the gradients of the parameters."
            )
        return found + [note for note in self.d.notes]


def _left_to_right(d: Derivation) -> list[GraphNode]:
    """Return the leaves in the order in which the equation of the output has them."""
    found: dict[int, None] = {}
    seen: set[int] = set()
    stack = [n.index for n in reversed(d.graph.outputs)]
    while stack:
        i = stack.pop()
        if i in seen:
            continue
        seen.add(i)
        found[i] = None
        stack.extend(reversed(d.graph[i].inputs))
    order = {i: k for k, i in enumerate(found)}
    return sorted(d.leaves, key=lambda node: order.get(node.index, len(order)))


def _shortest(value: Any) -> str:
    """Return a number as it was given: 0.7, also when it was kept in single precision."""
    single = np.float32(value)
    return number_text(single if single == value else value)


def plain_identifier(name: str) -> str:
    """Return a name as an identifier, in the form that Python itself compares names in.

    >>> plain_identifier("dW[1]"), plain_identifier("w₁")
    ('dW1', 'w1')
    """
    return identifier(unicodedata.normalize("NFKC", name.replace("²", "_sq")))


def read_by(statements: Sequence[Statement]) -> set[str]:
    """Return the names that statements read."""
    return {
        node.id
        for s in statements
        if isinstance(s, Assignment)
        for node in ast.walk(s.value)
        if isinstance(node, ast.Name)
    }


def _is_parameter(node: GraphNode) -> bool:
    return node.role == "parameter"


def _listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence; of many, the first and the last."""
    if len(words) > 4:
        return f"{words[0]}, …, {words[-1]}"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
