"""Names that PyTorch programs use: what they do here, and what is said of missing ones."""

from __future__ import annotations

import copy
import importlib
import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import autograd, errors, nn
from tinygrad_course.pytorch import MISSING


@pytest.mark.parametrize("name", sorted(MISSING))
def test_a_missing_name_says_what_to_do(name):
    assert not hasattr(tc, name)
    with pytest.raises(AttributeError, match=f"{name} is not here: .*\\.$") as caught:
        getattr(tc, name)
    assert isinstance(caught.value, errors.TinygradCourseError)


def test_a_misspelt_name_is_no_missing_one():
    with pytest.raises(AttributeError, match="has no attribute 'tensr'") as caught:
        tc.tensr  # noqa: B018
    assert caught.value.name == "tensr"


@pytest.mark.parametrize(
    "call",
    [
        lambda: tc.zeros(2).cuda(),
        lambda: nn.Linear(2, 1).cuda(),
        lambda: tc.cuda.amp,
        lambda: tc.cuda.get_device_name(0),
        lambda: tc.zeros(2, device="cuda"),
        lambda: tc.device("mps"),
        lambda: nn.Linear(2, 1, device="cuda"),
        lambda: nn.Linear(2, 1).to("cuda"),
        lambda: tc.Generator(device="cuda"),
        lambda: tc.load("model.pt", map_location="cuda"),
    ],
)
def test_there_is_no_graphics_card(call):
    with pytest.raises((ValueError, AttributeError), match="CPU|'cpu'") as caught:
        call()
    assert isinstance(caught.value, errors.TinygradCourseError)


def test_what_programs_ask_of_the_machine():
    assert not tc.cuda.is_available()
    assert tc.cuda.device_count() == 0
    tc.cuda.manual_seed_all(0)
    tc.backends.cudnn.deterministic = True
    assert not tc.backends.mps.is_available()
    tc.use_deterministic_algorithms(True)
    tc.set_num_threads(2)
    assert tc.get_num_threads() == 2
    with pytest.raises(errors.ArgumentError, match=">= 1"):
        tc.set_num_threads(0)


def test_names_of_dtypes():
    for name, dtype in {
        "float": np.float32, "double": np.float64, "half": np.float16, "int": np.int32,
        "long": np.int64, "short": np.int16, "bool": np.bool_,
    }.items():  # fmt: skip
        assert getattr(tc, name) is dtype
        assert getattr(tc.ones(2), name)().dtype == dtype
    x = tc.tensor([1.5, 2.5])
    assert x.type() == "FloatTensor"
    assert x.type(tc.LongTensor).tolist() == [1, 2]
    assert x.type("torch.DoubleTensor").dtype == x.type(tc.float64).dtype == np.float64
    with pytest.raises(errors.DtypeError, match="bfloat16"):
        x.bfloat16()


def test_questions_about_memory():
    x = tc.zeros(2, 3, dtype=tc.float64)
    assert (x.element_size(), x.nbytes, x.stride(), x.stride(-1)) == (8, 48, (3, 1), 1)
    assert x.is_contiguous() and not x.t().is_contiguous()
    assert x.data_ptr() == x.view(-1).data_ptr() == x[:1].data_ptr()
    assert not x.is_cuda and x.get_device() == -1 and not x.is_complex()
    assert tc.finfo(tc.float64).eps == 2.0**-52
    assert tc.iinfo(tc.int8).min == -128


def test_grad_fn_leads_back_to_the_leaves():
    w, x = tc.tensor(2.0, requires_grad=True), tc.tensor(3.0)
    y = (w * x).exp()
    assert y.grad_fn.name() == "exp"
    ((product, _),) = y.grad_fn.next_functions
    assert product.name() == "mul"
    (leaf, _), (nothing, _) = product.next_functions
    assert leaf.variable is w and leaf.next_functions == () and nothing is None
    assert product == y.grad_fn.next_functions[0][0]
    assert x.grad_fn is w.grad_fn is y.detach().grad_fn is None


def test_detach_in_place_forgets_the_history():
    w = tc.tensor([1.0, 2.0], requires_grad=True)
    y = w * 3
    assert y.detach_() is y
    assert y.is_leaf and not y.requires_grad
    view = (w * 3)[0]
    with pytest.raises(errors.GraphError, match="view"):
        view.detach_()


def test_alpha_multiplies_the_second_operand():
    a, b = tc.tensor([1.0, 2.0]), tc.tensor([10.0, 20.0], requires_grad=True)
    assert tc.add(a, b, alpha=0.5).tolist() == [6, 12]
    assert a.sub(1, alpha=2).dtype == np.float32
    assert a.clone().add_(b.detach(), alpha=-0.1).tolist() == [0, 0]
    a.sub(b, alpha=3).sum().backward()
    assert b.grad.tolist() == [-3, -3]


def test_a_variable_is_a_tensor():
    from tinygrad_course.autograd import Function, Variable, grad

    assert Function is tc.Function and grad is autograd.grad
    data = np.ones(2)
    x = Variable(tc.from_numpy(data), requires_grad=True)
    assert isinstance(x, tc.Tensor) and np.shares_memory(x.numpy(), data)


def test_autograd_functional_has_pytorchs_arguments():
    F = autograd.functional
    assert importlib.import_module("tinygrad_course.differentials") is F
    x, y = tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0])
    first, second = F.jacobian(lambda a, b: a * b, (x, y))
    assert first.tolist() == [[3, 0], [0, 4]] and second.tolist() == [[1, 0], [0, 2]]
    rows = F.hessian(lambda a, b: (a**2 * b).sum(), (x, y))
    # ∂²/∂a² = 2b, ∂²/∂a∂b = 2a, ∂²/∂b² = 0, on the diagonal.
    expected = [[[[6, 0], [0, 8]], [[2, 0], [0, 4]]], [[[2, 0], [0, 4]], [[0, 0], [0, 0]]]]
    assert [[block.tolist() for block in row] for row in rows] == expected
    value, product = F.vjp(lambda a: a**2, x, y)
    assert value.tolist() == [1, 4] and product.tolist() == [6, 16]
    assert F.jvp(lambda a: a**2, x, y)[1].tolist() == [6, 16]
    x.requires_grad_()
    assert not F.jacobian(lambda a: a**3, x).requires_grad
    assert F.jacobian(lambda a: a**3, x, create_graph=True).requires_grad


def test_modes_of_pytorch():
    w = tc.tensor(2.0, requires_grad=True)
    with tc.inference_mode():
        assert not (w * 2).requires_grad
    with tc.inference_mode(False):
        assert (w * 2).requires_grad

    @tc.inference_mode
    def double(x: Any) -> Any:
        return x * 2

    assert not double(w).requires_grad
    with autograd.set_detect_anomaly(True), pytest.raises(errors.AnomalyError):
        tc.log(w * 0)
    handle = autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(errors.AnomalyError):
            tc.log(w * 0)
    finally:
        autograd.set_detect_anomaly(False)
    assert handle is not None
    tc.log(w * 0)


def test_modes_hold_in_their_own_thread():
    seen = []
    with tc.inference_mode():
        thread = threading.Thread(target=lambda: seen.append(tc.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_backward_hooks_see_and_change_gradients():
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": [[3.0, 5.0]]})
    seen = []
    handle = layer.register_full_backward_hook(lambda m, gx, gy: seen.append((m, gx, gy)))
    x = tc.tensor([[1.0, 1.0]], requires_grad=True)
    (2 * layer(x)).sum().backward()
    ((module, (gx,), (gy,)),) = seen
    assert module is layer and gx.tolist() == [[6, 10]] and gy.tolist() == [[2]]
    assert x.grad.tolist() == [[6, 10]] and layer.weight.grad.tolist() == [[2, 2]]
    handle.remove()
    handle = layer.register_full_backward_hook(lambda m, gx, gy: (gx[0] * 0.5,))
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.tolist() == [[1.5, 2.5]]
    handle.remove()
    # Without an input that needs a gradient there is none to show.
    seen.clear()
    layer.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy[0].tolist())))
    layer(tc.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_parameters_as_one_vector():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    memory = [p.numpy() for p in model.parameters()]
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(tc.arange(9).float(), model.parameters())
    assert model[0].weight.tolist() == [[0, 1], [2, 3]] and model[1].bias.tolist() == [8]
    assert all(p.numpy() is a for p, a in zip(model.parameters(), memory, strict=True))
    with pytest.raises(errors.ShapeError, match=r"expected \(9,\)"):
        nn.utils.vector_to_parameters(tc.zeros(8), model.parameters())


def test_conversions_of_modules():
    layer = nn.Linear(2, 1)
    assert layer.half().weight.dtype == np.float16
    assert layer.type(tc.float64).bias.dtype == np.float64
    assert layer.type(tc.FloatTensor).bias.dtype == np.float32
    assert copy.deepcopy(layer).float().weight.tolist() == layer.weight.tolist()


def test_parameters_by_name():
    named = nn.ParameterDict({"a": tc.ones(2)})
    named["b"] = nn.Parameter(tc.zeros(1))
    assert list(named.state_dict()) == ["a", "b"] and "a" in named
    assert named.pop("a").tolist() == [1, 1] and len(named) == 1
    with pytest.raises(KeyError, match="has no parameter 'c'"):
        named["c"]


def test_files_of_pytorch_are_refused_with_the_cure(tmp_path):
    for name, start in (("new.pt", b"PK\x03\x04" + bytes(40)), ("old.pt", b"\x80\x02" + bytes(40))):
        (tmp_path / name).write_bytes(start)
        with pytest.raises(errors.CheckpointError, match="save_file.*require_checksum=False"):
            tc.load(tmp_path / name, weights_only=False)
    with pytest.raises(errors.DtypeError, match="state_dict"):
        tc.save(nn.Linear(2, 1), tmp_path / "model.pt")
    with pytest.raises(errors.DtypeError, match="state_dict"):
        tc.save({"model": nn.Linear(2, 1)}, tmp_path / "model.pt")
