"""Convolutional and pooling layers: values from loops over the definition, sizes, errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_samples import floats
from op_samples_windows import convolved, transposed

import tinygrad_course as tc
from tinygrad_course import errors, nn
from tinygrad_course.nn import functional as F

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def filled(layer: Any) -> Any:
    layer.double().set_weights([floats(*p.shape) for p in layer.parameters()])
    return layer


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "padding": 2, "groups": 2},
        {"bias": False},
    ],
    ids=str,
)
def test_a_convolution_is_its_definition(axes: int, options: dict[str, Any]) -> None:
    make: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    layer = filled(make(4, 6, 3, **options))
    x = floats(2, 4, *(7, 6, 5)[:axes])
    W, *b = layer.get_weights()
    bare = {k: v for k, v in options.items() if k != "bias"}
    np.testing.assert_allclose(
        layer(tc.tensor(x)).numpy(), convolved(x, W, *b, **bare), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [2, (1, 2), "same"], ids=str)
def test_what_is_around_the_image(mode: str, padding: Any) -> None:
    layer = filled(nn.Conv2d(2, 3, (2, 3), padding=padding, padding_mode=mode))
    x = floats(2, 2, 5, 6)
    W, b = layer.get_weights()
    # Of an even kernel "same" has the one place more behind.
    rows, columns = {"same": ((0, 1), (1, 1)), (1, 2): ((1, 1), (2, 2))}.get(
        padding, ((2, 2), (2, 2))
    )
    wide = np.pad(x, [(0, 0), (0, 0), rows, columns], mode=MODES[mode])
    got = layer(tc.tensor(x)).numpy()
    np.testing.assert_allclose(got, convolved(wide, W, b), rtol=1e-10, atol=1e-12)
    if padding == "same":
        assert got.shape == (2, 3, 5, 6)


@pytest.mark.parametrize("axes", [1, 2])
def test_a_transposed_convolution_is_its_definition(axes: int) -> None:
    make: Any = (nn.ConvTranspose1d, nn.ConvTranspose2d)[axes - 1]
    layer = filled(make(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2))
    x = floats(2, 4, *(4, 3)[:axes])
    W, b = layer.get_weights()
    expected = transposed(x, W, 2, 1, 1, 2) + b.reshape(-1, *(1,) * axes)
    np.testing.assert_allclose(layer(tc.tensor(x)).numpy(), expected, rtol=1e-10, atol=1e-12)
    lengths = expected.shape[2:]
    layer.output_padding = (0,) * axes
    chosen = layer(tc.tensor(x), output_size=lengths)
    np.testing.assert_allclose(chosen.numpy(), expected, rtol=1e-10, atol=1e-12)
    with pytest.raises(errors.ShapeError, match="got output_size"):
        layer(tc.tensor(x), output_size=tuple(n + 5 for n in lengths))


def test_a_transposed_convolution_is_the_adjoint() -> None:
    """<conv(x, w), y> = <x, conv_transpose(y, w)>, with a stride that leaves places over."""
    x, w, y = floats(2, 3, 8, 7), floats(4, 3, 3, 2), floats(2, 4, 3, 3)
    down = tc.conv2d(tc.tensor(x), tc.tensor(w), stride=2)
    up = tc.conv_transpose2d(tc.tensor(y), tc.tensor(w), stride=2, output_padding=(1, 1))
    assert up.shape == x.shape
    assert (down.numpy() * y).sum() == pytest.approx((x * up.numpy()).sum(), rel=1e-12)


def test_weights_have_pytorchs_layout_names_and_bounds() -> None:
    tc.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(4, 8, (3, 5), groups=2), nn.ReLU(), nn.ConvTranspose2d(8, 6, 3, groups=2)
    )
    shapes = {name: p.shape for name, p in model.state_dict().items()}
    assert shapes == {
        "0.weight": (8, 2, 3, 5),
        "0.bias": (8,),
        "2.weight": (8, 3, 3, 3),
        "2.bias": (6,),
    }
    for layer, inputs in ((model[0], 2 * 3 * 5), (model[2], 3 * 3 * 3)):
        values = np.concatenate([p.numpy().ravel() for p in layer.parameters()])
        assert np.abs(values).max() <= inputs**-0.5 < 1.1 * np.abs(values).max()
    z = model(tc.zeros(1, 4, 9, 9))
    assert z.name == "Z[2]"
    assert [p.name for p in model.parameters()] == ["W[1]", "b[1]", "W[2]", "b[2]"]


def test_one_example_alone() -> None:
    x = floats(2, 6, 5)
    layer = filled(nn.Conv2d(2, 3, 3))
    np.testing.assert_array_equal(layer(tc.tensor(x)).numpy(), layer(tc.tensor(x[None])).numpy()[0])
    for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2)):
        np.testing.assert_array_equal(
            pool(tc.tensor(x)).numpy(), pool(tc.tensor(x[None])).numpy()[0]
        )


def test_pooling_of_hand_written_numbers() -> None:
    x = tc.tensor([[[[1.0, 3.0, 2.0, 9.0], [4.0, 2.0, 0.0, 7.0], [5.0, 5.0, 5.0, 5.0]]]])
    assert nn.MaxPool2d(2)(x).tolist() == [[[[4.0, 9.0]]]]
    assert nn.MaxPool2d(2, ceil_mode=True)(x).tolist() == [[[[4.0, 9.0], [5.0, 5.0]]]]
    assert nn.AvgPool2d(2)(x).tolist() == [[[[2.5, 4.5]]]]
    y, at = nn.MaxPool2d(2, return_indices=True)(x)
    assert at.tolist() == [[[[4, 3]]]] and at.dtype == np.int64
    assert nn.AdaptiveAvgPool2d((None, 2))(x).tolist() == [[[[2.0, 5.5], [3.0, 3.5], [5.0, 5.0]]]]
    assert nn.AvgPool2d(2, divisor_override=1)(x).tolist() == [[[[10.0, 18.0]]]]


def test_of_equal_numbers_the_first_is_the_largest_and_nan_is_larger() -> None:
    x = tc.tensor([[[2.0, 2.0, 1.0, 1.0]]], requires_grad=True)
    F.max_pool1d(x, 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[[1.0, 0.0, 1.0, 0.0]]]
    x = tc.tensor([[[1.0, float("nan"), 3.0, 2.0]]], requires_grad=True)
    y = F.max_pool1d(x, 2)
    y.sum().backward()
    assert np.isnan(y.numpy()).tolist() == [[[True, False]]]
    assert x.grad is not None and x.grad.tolist() == [[[0.0, 1.0, 1.0, 0.0]]]


def test_integers_are_pooled() -> None:
    assert F.max_pool1d(tc.tensor([[[-3, -7, 2, 1]]]), 2, padding=1).tolist() == [[[-3, 2, 1]]]


def test_padding_layers() -> None:
    x = tc.arange(4.0).reshape(1, 1, 4)
    assert nn.ReflectionPad1d(2)(x).tolist() == [[[2.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 1.0]]]
    assert nn.ReplicationPad1d((1, 0))(x).tolist() == [[[0.0, 0.0, 1.0, 2.0, 3.0]]]
    assert nn.CircularPad1d((0, 1))(x).tolist() == [[[0.0, 1.0, 2.0, 3.0, 0.0]]]
    assert nn.ConstantPad1d(1, 9.0)(x).tolist() == [[[9.0, 0.0, 1.0, 2.0, 3.0, 9.0]]]
    # The last axis first, as PyTorch's order is.
    assert nn.ZeroPad2d((1, 0, 0, 2))(tc.ones(1, 1, 2, 2)).shape == (1, 1, 4, 3)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_convolutional_network_compiled_is_the_eager_one(backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")

    def training() -> tuple[Any, Any]:
        tc.manual_seed(2)
        model = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 3),
            nn.Tanh(),
            nn.AvgPool2d(2, padding=1),
            nn.Flatten(),
            nn.Linear(16, 3),
        ).double()
        loss, adam = nn.CrossEntropyLoss(), tc.optim.Adam(model.parameters(), lr=0.01)

        def step(X: Any, Y: Any) -> Any:
            J = loss(model(X), Y)
            adam.zero_grad()
            J.backward()
            adam.step()
            return J

        return model, step

    (a, eager), (b, step) = training(), training()
    fast = tc.compile(step, backend=backend)
    for k in range(4):
        X, Y = tc.tensor(floats(5, 1, 8, 8, key=str(k))), tc.tensor(np.arange(5) % 3)
        assert fast(X, Y).item() == pytest.approx(eager(X, Y).item(), rel=1e-12)
    assert not fast.reason
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3)(tc.ones(2, 1, 8, 8)), errors.ShapeError, "has 1 channels"),
        (lambda: nn.Conv2d(3, 4, 3)(tc.ones(2, 8, 8, 3)), errors.ShapeError, "not .N, H, W, C."),
        (lambda: nn.Conv2d(1, 4, 3)(tc.ones(8, 8)), errors.ShapeError, "x.unsqueeze"),
        (lambda: nn.Conv2d(1, 4, 5)(tc.ones(1, 1, 4, 9)), errors.ShapeError, "5 × 5 does not fit"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), errors.ArgumentError, "groups=2 for 3 and 4"),
        (lambda: nn.Conv2d(1, 1, 0), errors.ArgumentError, "kernel_size=0"),
        (lambda: nn.Conv2d(1, 1, 3, stride=(1, 2, 3)), errors.ArgumentError, "stride="),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), errors.ArgumentError, "padding=-1"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), errors.ArgumentError, "mirror"),
        (
            lambda: nn.Conv2d(1, 1, 3, padding="same", stride=2)(tc.ones(1, 1, 8, 8)),
            errors.ArgumentError,
            "padding='same' keeps the lengths",
        ),
        (lambda: tc.conv2d(tc.ones(1, 1, 4, 4), tc.ones(1, 3, 3)), errors.ShapeError, "a weight"),
        (
            lambda: tc.conv2d(tc.ones(1, 1, 4, 4), tc.ones(2, 1, 3, 3), tc.ones(3)),
            errors.ShapeError,
            r"a bias of shape \(3,\), expected \(2,\)",
        ),
        (lambda: nn.MaxPool2d(3)(tc.ones(1, 1, 2, 9)), errors.ShapeError, "length 3 does not fit"),
        (lambda: F.max_pool2d(tc.ones(1, 1, 4, 4), 2, padding=2), errors.ArgumentError, "half"),
        (lambda: F.avg_pool2d(tc.ones(4), 2), errors.ShapeError, r"got an input of shape \(4,\)"),
        (
            lambda: tc.conv_transpose2d(tc.ones(1, 1, 2, 2), tc.ones(1, 1, 2, 2), padding=2),
            errors.ShapeError,
            "at least 1",
        ),
        (
            lambda: F.interpolate(tc.ones(1, 1, 2, 2), size=3, mode="linear"),
            errors.ArgumentError,
            "expected 'bilinear'",
        ),
        (lambda: F.interpolate(tc.ones(1, 1, 2)), errors.ArgumentError, "size or scale_factor"),
        (lambda: F.fold(tc.ones(1, 4, 5), (3, 3), 2), errors.ShapeError, "expected .N, C · 4, 4."),
    ],
)
def test_refusals_name_the_layer_the_shapes_and_the_cure(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def torch_network() -> tuple[Any, Any, dict[str, Any]]:
    """Return the network with the weights that PyTorch saved, an input, and PyTorch's outputs."""
    here = Path(__file__).parent
    sys.path.insert(0, str(here))
    try:
        from make_conv_golden import network, wave
    finally:
        sys.path.remove(str(here))
    model = network(nn)
    model.load_state_dict(tc.load(here / "conv_torch.safetensors", require_checksum=False))
    golden = json.loads((here / "conv_golden.json").read_text(encoding="utf-8"))
    return model, tc.tensor(wave(2, 2, 9, 8)), golden


def test_a_network_that_pytorch_saved_has_its_outputs(tmp_path: Path) -> None:
    model, x, golden = torch_network()
    model.eval()
    np.testing.assert_allclose(model(x).numpy(), golden["evaluated"], rtol=1e-5, atol=1e-6)
    model.train()  # running statistics do not count
    np.testing.assert_allclose(model(x).numpy(), golden["training"], rtol=1e-5, atol=1e-6)


def test_what_we_save_has_pytorchs_names_and_layouts(tmp_path: Path) -> None:
    model, _, _ = torch_network()
    tc.save(model.state_dict(), tmp_path / "ours.safetensors")
    ours = tc.load(tmp_path / "ours.safetensors")
    theirs = tc.load(Path(__file__).parent / "conv_torch.safetensors", require_checksum=False)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype, name
        np.testing.assert_array_equal(ours[name].numpy(), value.numpy(), err_msg=name)


def test_padding_never_wins() -> None:
    """Windows with one number of the image, and padding of -inf: PyTorch's gradient is 1."""
    x = tc.full((1, 1, 2, 2), -np.inf, requires_grad=True)
    F.max_pool2d(x, 2, padding=1).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[[[1, 1], [1, 1]]]]


def test_so_many_cells_as_axes() -> None:
    with pytest.raises(errors.ArgumentError, match="expected an integer >= 1, or 2 of them"):
        F.adaptive_avg_pool2d(tc.zeros(1, 1, 4, 4), (2, 2, 2))
