"""Bad input: every case raises one of our errors: a paragraph with the operation and the cure.

`CASES` is the catalogue: a call, the error and the built-in one it must also be, and what its
message must say. Below it, every public operation meets a heap of hostile arguments.
"""

from __future__ import annotations

import inspect
import sys
import warnings

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.data import DataLoader, TensorDataset, course, train_test_split
from tinygrad_course.ops.define import FUNCTIONS

F = nn.functional
NAN = float("nan")


def leaf(*shape):
    return tc.ones(*shape, requires_grad=True)


def twice():
    loss = (leaf(2) * 3).sum()
    loss.backward()
    loss.backward()


def overwritten():
    x = leaf(2)
    y = x * 1
    loss = (y * y).sum()
    y += 1
    loss.backward()


def reused():
    a = leaf(2) * 2
    b = a.exp()
    b.mul_(2)
    b.sum().backward()


def anomaly():
    with tc.detect_anomaly():
        tc.tensor([1.0, 0.0], requires_grad=True).log()


def no_super():
    class Model(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    Model()


def wrong_backward():
    class Two(tc.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    Two.apply(leaf(2), leaf(2)).sum().backward()


def misshapen_backward():
    class Sum(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return g

    Sum.apply(leaf(3)).backward()


def linear():
    return nn.Linear(2, 1)


def sgd(**options):
    return optim.SGD(linear().parameters(), **{"lr": 0.1, **options})


W, B = np.ones((1, 2)), np.ones(1)
HALF = tc.full((3,), 0.5)

# (name, call, the error, the built-in error it must be too, parts of its message)
CASES = [
    # Shapes, axes and indices.
    ("add", lambda: tc.ones(2, 3) + tc.ones(4, 5), errors.ShapeError, ValueError,
     ["add", "(2, 3)", "(4, 5)", "broadcast", "Reshape"]),
    ("matmul", lambda: tc.ones(2, 3) @ tc.ones(4, 5), errors.ShapeError, ValueError,
     ["matmul", "(2, 3)", "(4, 5)", ".T"]),
    ("matmul vector", lambda: tc.ones(2, 3) @ tc.ones(4), errors.ShapeError, ValueError,
     ["matmul", "(4,)", "elementwise"]),
    ("dot", lambda: tc.dot(tc.ones(2, 3), tc.ones(3)), errors.ShapeError, ValueError,
     ["dot", "(2, 3)", "@"]),
    ("sum axis", lambda: tc.ones(2, 3).sum(axis=2), errors.ShapeError, ValueError,
     ["sum", "(2, 3)", "axis=2", "-2 to 1"]),
    ("mean axis name", lambda: tc.ones(2).mean(dim="rows"), errors.DtypeError, TypeError,
     ["mean", "'rows'", "An axis is an integer"]),
    ("var axis", lambda: tc.ones(2, 3).var(dim=9), errors.ShapeError, ValueError,
     ["var", "axis 9", "-2 to 1"]),
    ("softmax axis", lambda: tc.ones(2).softmax(dim=3), errors.ShapeError, ValueError,
     ["softmax", "axis=3", "-1 to 0"]),
    ("two spellings", lambda: tc.ones(2).sum(dim=0, axis=0), errors.ArgumentError, ValueError,
     ["'dim'", "'axis'", "one of them"]),
    ("unknown argument", lambda: tc.ones(2).sum(rows=1), errors.DtypeError, TypeError,
     ["sum", "'rows'", "axis"]),
    ("too many operands", lambda: tc.exp(tc.ones(2), 3), errors.DtypeError, TypeError,
     ["exp", "takes 1", "got 2"]),
    ("reshape", lambda: tc.ones(2, 3).reshape(4, 2), errors.ShapeError, ValueError,
     ["reshape", "(4, 2)", "6 elements", "−1"]),
    ("permute", lambda: tc.ones(2, 3).permute(0, 0), errors.ShapeError, ValueError,
     ["permute", "(0, 0)", "once"]),
    ("transpose", lambda: tc.ones(2, 3).transpose(0, 5), errors.ShapeError, ValueError,
     ["transpose", "axis 5", "-2 to 1"]),
    ("expand", lambda: tc.ones(2, 3).expand(5, 3), errors.ShapeError, ValueError,
     ["expand", "(2, 3)", "length 1"]),
    ("cat", lambda: tc.cat([tc.ones(2, 3), tc.ones(2, 4)]), errors.ShapeError, ValueError,
     ["cat", "(2, 3)", "(2, 4)", "except along the axis"]),
    ("cat nothing", lambda: tc.cat([]), errors.ArgumentError, ValueError, ["cat", "empty"]),
    ("stack", lambda: tc.stack([tc.ones(2), tc.ones(3)]), errors.ShapeError, ValueError,
     ["stack", "(2,)", "(3,)", "one shape"]),
    ("split", lambda: tc.ones(4).split([1, 2]), errors.ShapeError, ValueError,
     ["split", "[1, 2]", "3", "4"]),
    ("einsum", lambda: tc.einsum("ij,jk", tc.ones(2, 3), tc.ones(4, 5)), errors.ShapeError,
     ValueError, ["einsum", "'j'", "(2, 3)"]),
    ("index", lambda: tc.ones(2, 3)[5], errors.IndexingError, IndexError,
     ["x[…]", "index 5", "size 2"]),
    ("index kind", lambda: tc.ones(3)["first"], errors.IndexingError, IndexError,
     ["x[…]", "integer", "str"]),
    ("gather", lambda: tc.ones(2, 3).gather(1, tc.tensor([[9]])), errors.IndexingError,
     IndexError, ["gather", "9", "0 to 2"]),
    ("item", lambda: tc.ones(2).item(), errors.ShapeError, ValueError, ["item", "(2,)", ".sum()"]),
    ("truth", lambda: bool(tc.ones(2)), errors.ArgumentError, ValueError,
     ["(2,)", "ambiguous", ".any()"]),
    ("length", lambda: len(tc.tensor(1.0)), errors.DtypeError, TypeError, ["len", ".item()"]),
    ("negative length", lambda: tc.zeros(2, -1), errors.ShapeError, ValueError,
     ["zeros", "(2, -1)", "negative"]),
    # Dtypes and kinds of data.
    ("ragged", lambda: tc.tensor([[1.0, 2.0], [3.0]]), errors.ShapeError, ValueError,
     ["tensor", "rectangular"]),
    ("text", lambda: tc.tensor("abc"), errors.DtypeError, TypeError,
     ["tensor", "'abc'", "numbers"]),
    ("none", lambda: tc.tensor(None), errors.DtypeError, TypeError, ["tensor", "None", "numbers"]),
    ("objects", lambda: tc.tensor(np.array([1, None], object)), errors.DtypeError, TypeError,
     ["tensor", "dtype object", "Convert"]),
    ("complex", lambda: tc.tensor([1j]), errors.DtypeError, TypeError,
     ["complex", "real and imaginary"]),
    ("complex array to float", lambda: tc.tensor(np.array([1j]), dtype=tc.float32),
     errors.DtypeError, TypeError, ["complex", "real and imaginary"]),
    ("plus text", lambda: tc.ones(2) + "x", errors.DtypeError, TypeError, ["add", "str", "'x'"]),
    ("plus none", lambda: None * tc.ones(2), errors.DtypeError, TypeError, ["mul", "NoneType"]),
    ("unknown dtype", lambda: tc.ones(2).to("float23"), errors.DtypeError, TypeError,
     ["to", "'float23'", "tc.float32"]),
    ("other device", lambda: tc.ones(2).to("cuda"), errors.ArgumentError, ValueError,
     ["device", "'cuda'", "CPU"]),
    ("default dtype", lambda: tc.set_default_dtype("int32"), errors.DtypeError, TypeError,
     ["set_default_dtype", "int32", "tc.float32"]),
    ("and of floats", lambda: tc.ones(2) & tc.ones(2), errors.DtypeError, TypeError,
     ["&", "float32", "(x > 0) & (y > 0)"]),
    ("lost gradient", lambda: np.linalg.eigvals(leaf(2, 2)), errors.DtypeError, TypeError,
     ["eigvals", "no derivative", ".detach()"]),
    ("out", lambda: np.add(leaf(2), 1, out=np.zeros(2)), errors.DtypeError, TypeError,
     ["np.add with out", "gradient would be lost"]),
    # Gradients.
    ("integers", lambda: tc.tensor([1, 2], requires_grad=True), errors.DtypeError, TypeError,
     ["requires_grad", "int64", "1.0"]),
    ("later integers", lambda: tc.arange(3).requires_grad_(), errors.DtypeError, TypeError,
     ["requires_grad", "int64", "tc.float32"]),
    ("non-scalar", lambda: (leaf(3) * 2).backward(), errors.GraphError, RuntimeError,
     ["backward", "(3,)", ".sum()"]),
    ("wrong gradient", lambda: (leaf(3) * 2).backward(tc.ones(2)), errors.GraphError,
     RuntimeError, ["backward", "(2,)", "(3,)", "equal"]),
    ("twice", twice, errors.GraphError, RuntimeError, ["backward", "retain_graph=True"]),
    ("no graph", lambda: tc.ones(2).sum().backward(), errors.GraphError, RuntimeError,
     ["backward", "no graph", "requires_grad=True"]),
    ("number", lambda: tc.autograd.backward(3.0), errors.DtypeError, TypeError,
     ["backward", "float", ".item()"]),
    ("unreached", lambda: tc.autograd.grad(leaf(2).sum(), leaf(2)), errors.GraphError,
     RuntimeError, ["autograd.grad", "inputs[0]", "allow_unused=True"]),
    ("frozen input", lambda: tc.autograd.grad(leaf(2).sum(), tc.ones(2)), errors.GraphError,
     RuntimeError, ["inputs[0]", "requires_grad=True"]),
    ("cotangents", lambda: tc.autograd.grad([leaf(1)], leaf(1), [1, 2]), errors.GraphError,
     RuntimeError, ["1 outputs", "2 cotangents"]),
    ("leaf in place", lambda: leaf(2).add_(1), errors.InplaceError, RuntimeError,
     ["add_", "leaf", "tc.no_grad()"]),
    ("overwritten", overwritten, errors.InplaceError, RuntimeError,
     ["backward", "changed in place", ".clone()"]),
    ("leaf computed", lambda: (leaf(2) * 2).requires_grad_(False), errors.GraphError,
     RuntimeError, ["requires_grad_", "'mul'", ".detach()"]),
    ("in place shape", lambda: tc.ones(2).mul_(tc.ones(3, 2)), errors.ShapeError, ValueError,
     ["mul_", "(3, 2)", "(2,)"]),
    ("in place dtype", lambda: tc.arange(2).mul_(1.5), errors.DtypeError, TypeError,
     ["mul_", "float", "int64"]),
    ("anomaly", anomaly, errors.AnomalyError, RuntimeError, ["log", "-inf", "test_errors.py"]),
    ("hook", lambda: leaf(1).register_hook(3), errors.DtypeError, TypeError,
     ["register_hook", "int", "function"]),
    ("hook without grad", lambda: tc.ones(1).register_hook(print), errors.GraphError,
     RuntimeError, ["register_hook", "requires_grad=True"]),
    ("grad of a vector", lambda: tc.grad(lambda x: x)(tc.ones(2)), errors.ShapeError, ValueError,
     ["grad", "(2,)", "jacobian"]),
    ("grad of a number", lambda: tc.grad(lambda x: 3.0)(1.0), errors.DtypeError, TypeError,
     ["grad", "float", "tensor"]),
    ("grad of a tensor", lambda: tc.grad(tc.ones(2))(1.0), errors.DtypeError, TypeError,
     ["grad", "expected a function", "autograd.grad"]),
    ("argnums", lambda: tc.grad(lambda x: x, argnums=3)(1.0), errors.ArgumentError, ValueError,
     ["argnums", "3", "1"]),
    ("integer argument", lambda: tc.grad(lambda x: x)(1), errors.DtypeError, TypeError,
     ["grad", "int64"]),
    ("tangent", lambda: tc.jvp(lambda x: x, tc.ones(2), tc.ones(3)), errors.ShapeError,
     ValueError, ["jvp", "(2,)", "(3,)"]),
    ("backward count", wrong_backward, errors.GraphError, RuntimeError,
     ["Two.backward", "1 gradients", "2 arguments", "None"]),
    ("backward shape", misshapen_backward, errors.ShapeError, ValueError,
     ["Sum.backward", "()", "(3,)"]),
    # Losses.
    ("mse", lambda: F.mse_loss(tc.ones(3), tc.ones(3, 1)), errors.ShapeError, ValueError,
     ["mse_loss", "(3,)", "(3, 1)", "(3, 3)", "y.reshape(3)"]),
    ("bce shapes", lambda: nn.BCELoss()(tc.full((3, 1), 0.5), tc.ones(3)), errors.ShapeError,
     ValueError, ["binary_cross_entropy", "(3, 1)", "(3,)", "y.reshape(3, 1)"]),
    ("bce nan", lambda: F.binary_cross_entropy(HALF, tc.tensor([0.0, NAN, 1.0])),
     errors.ArgumentError, ValueError, ["binary_cross_entropy", "index 1", "nan", "missing"]),
    ("bce 2", lambda: F.binary_cross_entropy(HALF, tc.tensor([0.0, 1.0, 2.0])),
     errors.ArgumentError, ValueError, ["binary_cross_entropy", "index 2", "2.0", "CrossEntropy"]),
    ("bce -1", lambda: F.binary_cross_entropy_with_logits(HALF, tc.tensor([-1.0, 1.0, 1.0])),
     errors.ArgumentError, ValueError, ["index 0", "-1.0", "(y + 1) / 2"]),
    ("bce not a probability", lambda: F.binary_cross_entropy(HALF * 4, tc.ones(3)),
     errors.ArgumentError, ValueError, ["prediction", "2.0", "sigmoid", "BCEWithLogitsLoss"]),
    ("cross entropy class", lambda: F.cross_entropy(tc.ones(2, 3), tc.tensor([0, 3])),
     errors.IndexingError, IndexError, ["cross_entropy", "index 1", "3 classes", "0 to 2"]),
    ("cross entropy floats", lambda: F.cross_entropy(tc.ones(2, 3), tc.tensor([0.0, 1.0])),
     errors.DtypeError, TypeError, ["cross_entropy", "float32", "y.long()"]),
    ("cross entropy column", lambda: F.cross_entropy(tc.ones(2, 3), tc.tensor([[0], [1]])),
     errors.ShapeError, ValueError, ["cross_entropy", "(2, 1)", "squeeze"]),
    ("reduction", lambda: nn.MSELoss(reduction="average"), errors.ArgumentError, ValueError,
     ["MSELoss", "'average'", "'mean'"]),
    ("nothing", lambda: F.mse_loss(tc.ones(0), tc.ones(0)), errors.ShapeError, ValueError,
     ["mse_loss", "no examples", "(0,)"]),
    ("delta", lambda: F.huber_loss(HALF, HALF, delta="wide"), errors.ArgumentError, ValueError,
     ["huber_loss", "delta", "'wide'"]),
    # Modules and state dicts.
    ("units", lambda: linear()(tc.ones(4, 3)), errors.ShapeError, ValueError,
     ["Linear", "(4, 3)", "in_features=2"]),
    ("sizes", lambda: nn.Dense("relu", 3), errors.DtypeError, TypeError,
     ["Dense", "in_features", "'relu'"]),
    ("no units", lambda: nn.Dense(3, 0), errors.ArgumentError, ValueError,
     ["Dense", "out_features", "0"]),
    ("activation", lambda: nn.Dense(2, 3, activation="reluu"), errors.ArgumentError, ValueError,
     ["'reluu'", "Did you mean 'relu'"]),
    ("layout", lambda: nn.Dense(2, 3, layout="diagonal"), errors.ArgumentError, ValueError,
     ["Dense", "'diagonal'", "columns"]),
    ("features", lambda: nn.BatchNorm1d(-3), errors.ArgumentError, ValueError,
     ["BatchNorm1d", "num_features", "-3"]),
    ("one example", lambda: nn.BatchNorm1d(3)(tc.ones(1, 3)), errors.ShapeError, ValueError,
     ["BatchNorm1d", "(1, 3)", "eval()"]),
    ("dropout", lambda: nn.Dropout(1.5), errors.ArgumentError, ValueError,
     ["Dropout", "1.5", "keep_prob"]),
    ("not adapted", lambda: nn.Normalization()(tc.ones(2, 2)), errors.TinygradCourseError,
     Exception, ["Normalization", "adapt(X)"]),
    ("function as module", lambda: nn.Sequential(tc.relu), errors.DtypeError, TypeError,
     ["Sequential", "relu", "nn.ReLU()"]),
    ("no super", no_super, errors.TinygradCourseError, Exception, ["Model", "super().__init__()"]),
    ("no attribute", lambda: linear().wieght, errors.TinygradCourseError, AttributeError,
     ["Linear", "'wieght'", "weight, bias"]),
    ("missing key", lambda: linear().load_state_dict({"weight": W}), errors.StateDictError,
     KeyError, ["load_state_dict", "missing: bias", "nothing was changed", "strict=False"]),
    ("unknown key", lambda: linear().load_state_dict({"weight": W, "bias": B, "w": B}),
     errors.StateDictError, RuntimeError, ["load_state_dict", "unknown: w"]),
    ("state shape", lambda: linear().load_state_dict({"weight": W.T, "bias": B}),
     errors.StateDictError, RuntimeError, ["(2, 1)", "expected (1, 2)", "transpose"]),
    ("state kind", lambda: linear().load_state_dict([W, B]), errors.DtypeError, TypeError,
     ["load_state_dict", "list", "tc.load"]),
    ("one hot", lambda: F.one_hot(tc.tensor([0, 5]), 3), errors.IndexingError, IndexError,
     ["one_hot", "5", "num_classes"]),
    # Optimizers.
    ("no parameters", lambda: optim.SGD([], lr=0.1), errors.ArgumentError, ValueError,
     ["SGD", "no parameters"]),
    ("learning rate", lambda: sgd(lr=-1.0), errors.ArgumentError, ValueError, ["SGD", "lr=-1"]),
    ("learning rate text", lambda: sgd(lr="fast"), errors.DtypeError, TypeError,
     ["SGD", "'fast'", "number"]),
    ("frozen parameter", lambda: optim.SGD([tc.ones(2)], lr=0.1), errors.GraphError,
     RuntimeError, ["SGD", "(2,)", "requires_grad_()"]),
    ("computed parameter", lambda: optim.Adam([leaf(2) * 2]), errors.GraphError, RuntimeError,
     ["Adam", "'mul'", "leaf"]),
    ("nesterov", lambda: sgd(nesterov=True), errors.ArgumentError, ValueError,
     ["nesterov", "momentum"]),
    ("closure", lambda: sgd().step(3), errors.DtypeError, TypeError, ["SGD.step", "function"]),
    ("optimizer state", lambda: sgd().load_state_dict({}), errors.StateDictError, RuntimeError,
     ["SGD.load_state_dict", "param_groups"]),
    ("schedule", lambda: optim.lr_scheduler.StepLR(sgd(), step_size=0), errors.ArgumentError,
     ValueError, ["StepLR", "step_size=0"]),
    ("schedule function", lambda: optim.lr_scheduler.LambdaLR(sgd(), 3), errors.DtypeError,
     TypeError, ["LambdaLR", "int", "function"]),
    # Data.
    ("lengths", lambda: TensorDataset(tc.ones(3), tc.ones(4)), errors.ShapeError, ValueError,
     ["TensorDataset", "[3, 4]", "same length"]),
    ("empty data", lambda: DataLoader((tc.ones(0, 2),), batch_size=2), errors.ArgumentError,
     ValueError, ["DataLoader", "without examples"]),
    ("batch size", lambda: DataLoader((tc.ones(3, 2),), batch_size=0), errors.ArgumentError,
     ValueError, ["DataLoader", "batch_size=0"]),
    ("split lengths", lambda: train_test_split(tc.ones(3), tc.ones(4)), errors.ShapeError,
     ValueError, ["train_test_split", "(3,)", "(4,)"]),
    ("examples", lambda: course.moons(-1), errors.ArgumentError, ValueError,
     ["course.moons", "m=-1"]),
    ("seed", lambda: tc.manual_seed("lucky"), errors.DtypeError, TypeError,
     ["manual_seed", "'lucky'", "integer"]),
    ("randint", lambda: tc.randint(5, 5), errors.ArgumentError, ValueError,
     ["randint", "high", "5"]),
    # Checks.
    ("gradcheck of integers", lambda: tc.gradcheck(lambda x: x, tc.arange(3)),
     errors.NothingToCheckError, ValueError, ["gradcheck", "int64", "requires_grad=True"]),
    ("gradcheck of item", lambda: tc.gradcheck(lambda x: x.item(), leaf(1)), errors.DtypeError,
     TypeError, ["gradcheck", "float", ".item()"]),
    ("gradcheck of detach", lambda: tc.gradcheck(lambda x: x.detach() * 2, leaf(1)),
     errors.GradcheckError, RuntimeError, ["gradcheck", "does not require grad", ".detach()"]),
]  # fmt: skip


def test_the_catalogue_is_long_enough():
    assert len(CASES) >= 100
    names = [case[0] for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("call", "ours", "builtin", "fragments"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_bad_input(call, ours, builtin, fragments):
    with pytest.raises(ours) as caught:
        call()
    error = caught.value
    assert isinstance(error, errors.TinygradCourseError)
    assert isinstance(error, builtin)
    message = str(error)
    for fragment in fragments:
        assert fragment in message
    paragraph = message.split("\n\n")[0]
    assert "\n" not in paragraph
    assert paragraph.endswith((".", ")", "?"))
    assert ".." not in paragraph
    assert len(paragraph) < 600
    # The traceback ends in one error, not in a chain of others.
    assert error.__cause__ is None or error.__suppress_context__


# --- files and packages -------------------------------------------------------------------------


def test_an_unwritable_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="save: .*cannot be written.*Check that the folder"):
        tc.save({"W": tc.ones(2)}, tmp_path / "missing" / "model.safetensors")
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(OSError, match="save: .*cannot be written"):
        tc.save({"W": tc.ones(2)}, blocked / "model.safetensors")


def test_a_missing_or_foreign_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="load: .*cannot be read"):
        tc.load(tmp_path / "nothing.safetensors")
    foreign = tmp_path / "model.npy"
    np.save(foreign, np.ones(2))
    with pytest.raises(errors.CheckpointError, match="a NumPy .npy file, not a") as caught:
        tc.load(foreign)
    assert isinstance(caught.value, ValueError)


def test_a_damaged_checkpoint_leaves_the_model_alone(tmp_path):
    model = linear()
    path = tmp_path / "model.safetensors"
    tc.save(model.state_dict(), path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    before = {k: v.numpy().tobytes() for k, v in model.state_dict().items()}
    with pytest.raises(errors.CheckpointError):
        model.load_state_dict(tc.load(path))
    assert {k: v.numpy().tobytes() for k, v in model.state_dict().items()} == before


@pytest.mark.parametrize("call", [lambda: tc.save({}, 3), lambda: tc.load(None)])
def test_paths_that_are_none(call):
    with pytest.raises(errors.DtypeError, match=r"(save|load): .*expected a string or a Path"):
        call()


@pytest.mark.parametrize(
    ("package", "call", "extra"),
    [
        ("sklearn", lambda tmp: course.digits(), "demo"),
        ("safetensors", lambda tmp: tc.save({"W": tc.ones(2)}, tmp / "m.safetensors"), ""),
        ("matplotlib", lambda tmp: _plot(), "viz"),
    ],
)
def test_a_missing_package_is_named_with_its_cure(package, call, extra, tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(errors.MissingDependencyError, match="pip install") as caught:
        call(tmp_path)
    assert isinstance(caught.value, ImportError)
    assert extra in str(caught.value)


def _plot():
    import viz

    viz.plot_activations()


# --- hostile arguments --------------------------------------------------------------------------

X = tc.tensor([[1.0, 2.0], [3.0, 4.0]])
HOSTILE = {
    "tensor": X,
    "None": None,
    "text": "abc",
    "object": object(),
    "object array": np.array([1, None], object),
    "complex array": np.array([1j, 2]),
    "complex": 2j,
    "ragged": [[1, 2], [3]],
    "empty list": [],
    "dictionary": {},
    "integer": 3,
    "negative": -7,
    "float": 1.5,
    "nan": NAN,
    "mixed list": [1, "a"],
    "function": len,
    "bytes": b"x",
    "set": {1},
    "tuple": (0, 0),
    "huge": 10**30,
    "True": True,
    "other shape": tc.ones(3, 5),
    "integers": tc.tensor([1, 2]),
    "empty tensor": tc.zeros(0, 3),
    "3-D": tc.ones(2, 3, 4),
    "slice": slice(0, 1),
    "class": int,
    "text array": np.array(["a", "b"]),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "tensors": [X, X],
    "tensor and None": [X, None],
}


def attempts(function):
    for name, value in HOSTILE.items():
        yield name, (value,), {}
        yield f"x, {name}", (X, value), {}
        yield f"x, {name}, {name}", (X, value, value), {}
        yield f"x, 0, {name}", (X, 0, value), {}
        for keyword in ("dim", "axis", "keepdim", "shape", "index", "other", "unknown"):
            yield f"x, {keyword}={name}", (X,), {keyword: value}
    yield "nothing", (), {}
    yield "five operands", (X,) * 5, {}


def fits(function, args, kwargs):
    """Return True when Python itself accepts the call."""
    if isinstance(function, nn.Module):
        function = function.forward
    try:
        inspect.signature(function, follow_wrapped=False).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_hostile_arguments_give_our_errors(name):
    function = FUNCTIONS[name]
    bad = []
    for label, args, kwargs in attempts(function):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NaN and overflow are results here
                function(*args, **kwargs)
        except errors.TinygradCourseError as error:
            if not str(error).endswith((".", ")", "?")) or "\n" in str(error):
                bad.append(f"{label}: {error}")
        except Exception as error:
            if fits(function, args, kwargs):
                bad.append(f"{label}: {type(error).__name__}: {error}")
    assert not bad, "\n".join(bad)


CREATION = [
    tc.tensor, tc.as_tensor, tc.from_numpy, tc.zeros, tc.ones, tc.empty, tc.full, tc.arange,
    tc.linspace, tc.eye, tc.rand, tc.randn, tc.randint, tc.randperm, tc.zeros_like, tc.ones_like,
    tc.full_like, tc.rand_like, tc.randn_like, tc.device, tc.manual_seed, tc.Generator,
    tc.set_default_dtype,
]  # fmt: skip
LAYERS = [
    nn.Dense, nn.Linear, nn.BatchNorm1d, nn.LayerNorm, nn.Dropout, nn.Sequential, nn.ModuleList,
    nn.Parameter, nn.Dense(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LayerNorm(2),
    nn.Dropout(), nn.ReLU(), nn.Softmax(), nn.Flatten(),
]  # fmt: skip
LOSSES = [
    F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits, F.cross_entropy, F.nll_loss, F.linear, F.dropout,
    F.kl_div, F.poisson_nll_loss, F.gaussian_nll_loss, F.hinge_embedding_loss, F.soft_margin_loss,
    F.margin_ranking_loss, F.cosine_embedding_loss, F.triplet_margin_loss, F.multi_margin_loss,
    F.triplet_margin_with_distance_loss, F.multilabel_margin_loss, F.multilabel_soft_margin_loss,
    F.one_hot, F.softmax,
]  # fmt: skip
REST = [
    tc.autograd.grad, tc.autograd.backward, tc.gradcheck, tc.gradgradcheck, tc.check_gradients,
    optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Adadelta, optim.Adamax,
    optim.NAdam, optim.RAdam, optim.ASGD, optim.Rprop, TensorDataset, DataLoader,
    train_test_split, nn.Linear(1, 1).load_state_dict, sgd().load_state_dict,
]  # fmt: skip


@pytest.mark.parametrize(
    "function",
    [*CREATION, *LAYERS, *LOSSES, *REST],
    ids=lambda f: getattr(f, "__qualname__", type(f).__name__),
)
def test_hostile_arguments_elsewhere(function):
    huge = {"huge", "negative", "integer"} if function in CREATION else {"huge"}
    bad = []
    for label, value in HOSTILE.items():
        for args in ((value,), (X, value), (X, X, value)):
            if label in huge and len(args) == 1:
                continue  # a length of 10**30 may only end the memory
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    function(*args)
            except errors.TinygradCourseError:
                pass
            except Exception as error:
                # An array for a flag such as requires_grad: NumPy's own words say what is wrong.
                flag = "truth value of an array" in str(error) and len(args) > 1
                if fits(function, args, {}) and not flag:
                    bad.append(f"{label} ({len(args)}): {type(error).__name__}: {error}")
            finally:
                tc.set_default_dtype(tc.float32)
    assert not bad, "\n".join(bad)
