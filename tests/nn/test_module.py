"""Module: registration, state, modes, hooks, copies, text."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, ModuleError, StateDictError
from tinygrad_course.node import scope


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(3, 1))
        self.scale = nn.Parameter([2.0])
        self.note = "plain"

    def forward(self, x: Any) -> Any:
        return self.scale * self.head(self.norm(self.fc1(x)))


def names(items: Any) -> list[str]:
    return [name for name, _ in items]


# --- parameters -----------------------------------------------------------------------------------


def test_parameter_copies_arrays_and_shares_tensors() -> None:
    array = np.ones(2)
    p = nn.Parameter(array)
    array[0] = 7.0
    assert p.tolist() == [1.0, 1.0]
    t = tc.ones(2)
    shared = nn.Parameter(t)
    with tc.no_grad():
        t[0] = 7.0
    assert shared.tolist() == [7.0, 1.0]
    assert shared.is_leaf and shared.requires_grad and shared.dtype == np.float32


def test_a_write_through_the_shared_tensor_is_noticed() -> None:
    t = tc.ones(2)
    p = nn.Parameter(t)
    y = (p * p).sum()
    t.mul_(3.0)
    with pytest.raises(tc.errors.InplaceError):
        y.backward()


def test_integer_parameter_is_refused_unless_frozen() -> None:
    with pytest.raises(DtypeError, match="only floats have gradients"):
        nn.Parameter([1, 2])
    assert nn.Parameter([1, 2], requires_grad=False).dtype == np.int64


def test_parameter_keeps_everything_through_copy_and_pickle() -> None:
    p = nn.Parameter([1.0, 2.0], name="w")
    p.grad = tc.ones(2)
    p.layout = "rows"
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(q) is nn.Parameter
        assert q.tolist() == [1.0, 2.0] and q.name == "w" and q.layout == "rows"
        assert q.grad.tolist() == [1.0, 1.0] and q.grad is not p.grad
        with tc.no_grad():
            q += 1
        assert p.tolist() == [1.0, 2.0]


def test_results_are_tensors_not_parameters() -> None:
    p = nn.Parameter([1.0])
    assert type(p + 1) is tc.Tensor
    assert type(p.detach()) is tc.Tensor


# --- registration ---------------------------------------------------------------------------------


def test_named_parameters_in_order_of_registration() -> None:
    net = Net()
    # PyTorch: a module's own parameters, then those of its children.
    assert names(net.named_parameters()) == [
        "scale",
        "fc1.weight",
        "fc1.bias",
        "norm.weight",
        "norm.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert names(net.named_parameters(recurse=False)) == ["scale"]
    assert names(net.named_parameters("net"))[0] == "net.scale"
    assert names(net.named_buffers()) == [
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    ]
    assert names(net.named_children()) == ["fc1", "norm", "head"]
    assert names(net.named_modules()) == ["", "fc1", "norm", "head", "head.0", "head.1"]
    assert len(list(net.parameters())) == 7
    assert net.note == "plain"


def test_shared_parameters_and_modules_come_once() -> None:
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2, bias=False)
    net.c.weight = net.a.weight
    assert names(net.named_parameters()) == ["a.weight", "a.bias"]
    assert names(net.named_parameters(remove_duplicate=False)) == [
        "a.weight",
        "a.bias",
        "b.weight",
        "b.bias",
        "c.weight",
    ]
    assert names(net.named_modules()) == ["", "a", "c"]
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight"]


def test_a_module_inside_itself_ends() -> None:
    net = nn.Module()
    net.inner = nn.Linear(1, 1)
    net.inner.outer = net
    assert names(net.named_modules()) == ["", "inner"]
    assert list(net.state_dict()) == ["inner.weight", "inner.bias"]
    del net.inner.outer
    assert names(net.inner.named_children()) == []


def test_reassigning_and_deleting() -> None:
    net = nn.Linear(2, 1)
    net.bias = None
    assert names(net.named_parameters()) == ["weight"]
    net.bias = nn.Parameter([1.0])
    assert names(net.named_parameters()) == ["weight", "bias"]
    del net.bias
    assert names(net.named_parameters()) == ["weight"]
    with pytest.raises(AttributeError):
        _ = net.bias
    net.extra = nn.Parameter([1.0])
    net.extra = nn.Linear(1, 1)  # another kind under the same name
    assert names(net.named_parameters()) == ["weight", "extra.weight", "extra.bias"]


def test_a_plain_value_cannot_replace_a_parameter() -> None:
    net = nn.Linear(2, 1)
    with pytest.raises(DtypeError, match=r"Linear\.weight: is a parameter.*nn\.Parameter"):
        net.weight = tc.zeros(1, 2)
    outer = nn.Sequential(net)
    with pytest.raises(DtypeError, match="is a module"):
        setattr(outer, "0", 3)
    norm = nn.BatchNorm1d(2)
    with pytest.raises(DtypeError, match="is a buffer"):
        norm.running_mean = np.zeros(2)
    norm.running_mean = tc.ones(2)
    assert norm.running_mean.tolist() == [1.0, 1.0]


def test_buffers() -> None:
    net = nn.Module()
    net.register_buffer("kept", np.zeros(2))
    net.register_buffer("temporary", tc.ones(1), persistent=False)
    net.register_buffer("empty", None)
    assert list(net.state_dict()) == ["kept"]
    assert names(net.named_buffers()) == ["kept", "temporary"]
    assert list(net.parameters()) == []


@pytest.mark.parametrize("name", ["", "a.b", 3])
def test_unusable_names(name: Any) -> None:
    with pytest.raises(ArgumentError, match="a name is a non-empty string without dots"):
        nn.Module().register_buffer(name, tc.zeros(1))


def test_names_that_are_taken() -> None:
    net = nn.Module()
    net.plain = 1
    for name in ("plain", "forward", "train"):
        with pytest.raises(ArgumentError, match="exists already"):
            net.add_module(name, nn.ReLU())


def test_register_wrong_kinds() -> None:
    net = nn.Module()
    with pytest.raises(DtypeError, match="must be a Parameter"):
        net.register_parameter("w", tc.zeros(1))
    with pytest.raises(DtypeError, match="must be a module, got the function 'relu'"):
        net.add_module("act", tc.relu)


def test_forgotten_super_init_is_named() -> None:
    class Forgot(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(1, 1)

    with pytest.raises(ModuleError, match=r"Forgot\.__init__ has not called\s+super\(\)"):
        Forgot()

    class ForgotToo(nn.Module):
        def __init__(self) -> None:
            self.n = 3

        def forward(self, x: Any) -> Any:
            return x

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        ForgotToo()(tc.zeros(1))
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        list(ForgotToo().parameters())


def test_missing_attribute_names_the_parts() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fc3'.*fc1, norm, head, scale"):
        _ = Net().fc3
    assert not hasattr(Net(), "nothing")


def test_no_forward() -> None:
    with pytest.raises(NotImplementedError, match="no forward method"):
        nn.Module()(1)


def test_get_submodule_and_parameter() -> None:
    net = Net()
    assert net.get_submodule("head.1") is net.head[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("head.1.bias") is net.head[1].bias
    with pytest.raises(ModuleError, match="no module '7' of 'head.7'.*its modules: 0, 1"):
        net.get_submodule("head.7")
    with pytest.raises(ModuleError, match="no parameter 'gain'.*weight, bias"):
        net.get_parameter("fc1.gain")


# --- calling --------------------------------------------------------------------------------------


def test_scope_holds_the_modules_being_called_and_is_reset() -> None:
    seen = []

    class Spy(nn.Module):
        def forward(self, x: Any) -> Any:
            stack, here = [], scope.get()
            while here is not None:
                stack.append(here[0])
                here = here[1]
            seen.append(stack)
            return x

    spy = Spy()
    model = nn.Sequential(spy)
    model(tc.zeros(1))
    assert seen == [[spy, model]]
    assert scope.get() is None

    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        nn.Sequential(Broken())(1)
    assert scope.get() is None


def test_scope_of_recorded_nodes() -> None:
    net = Net()
    y = net(tc.zeros(2, 2))
    module, outer = y._node.scope
    assert module is net and outer is None


def test_scope_belongs_to_the_thread_and_the_task() -> None:
    found = []

    class Wait(nn.Module):
        def forward(self, event: Any) -> Any:
            event[0].set()
            event[1].wait(5)

    module = Wait()
    events = (threading.Event(), threading.Event())
    thread = threading.Thread(target=module, args=(events,))
    thread.start()
    events[0].wait(5)
    found.append(scope.get())
    events[1].set()
    thread.join()

    async def main() -> None:
        async def inside() -> None:
            token = scope.set((module, None))
            await asyncio.sleep(0)
            scope.reset(token)

        async def outside() -> None:
            await asyncio.sleep(0)
            found.append(scope.get())

        await asyncio.gather(inside(), outside())

    asyncio.run(main())
    assert found == [None, None]


def test_forward_hooks() -> None:
    layer = nn.Identity()
    calls = []
    first = layer.register_forward_hook(lambda m, args, y: calls.append((m, args, y)))
    double = layer.register_forward_hook(lambda m, args, y: y * 2)
    before = layer.register_forward_pre_hook(lambda m, args: args[0] + 1)
    assert layer(3) == 8
    assert calls == [(layer, (4,), 4)]
    double.remove()
    before.remove()
    first.remove()
    assert layer(3) == 3


def test_keyword_arguments_reach_forward() -> None:
    class Power(nn.Module):
        def forward(self, x: Any, *, p: int = 1) -> Any:
            return x**p

    assert Power()(3, p=2) == 9


# --- modes and conversion -------------------------------------------------------------------------


def test_train_and_eval_reach_all_modules() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_apply_visits_children_first() -> None:
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    kinds = []
    assert net.apply(lambda m: kinds.append(type(m).__name__)) is net
    assert kinds == ["ReLU", "Sequential", "Tanh", "Sequential"]


def test_requires_grad_and_zero_grad() -> None:
    net = Net()
    net(tc.rand(4, 2)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.requires_grad_(False) is net
    assert not net(tc.rand(4, 2)).requires_grad


def test_conversion_to_float64_and_back() -> None:
    net = Net()
    net(tc.rand(4, 2)).sum().backward()
    assert net.double() is net
    assert {p.dtype.name for p in net.parameters()} == {"float64"}
    assert {p.grad.dtype.name for p in net.parameters()} == {"float64"}
    assert net.norm.running_mean.dtype == np.float64
    assert net.norm.num_batches_tracked.dtype == np.int64
    assert net.to(tc.float32).fc1.weight.dtype == np.float32
    assert net.to("cpu") is net and net.cpu() is net and net.fc1.weight.dtype == np.float32
    assert net.to(tc.device("cpu"), tc.float64).fc1.weight.dtype == np.float64
    assert net.float().fc1.weight.dtype == np.float32
    with pytest.raises(DtypeError, match="parameters are floats"):
        net.to(tc.int64)
    with pytest.raises(ArgumentError, match="device"):
        net.to("cuda")


def test_conversion_leaves_an_earlier_graph_unusable_rather_than_wrong() -> None:
    layer = nn.Linear(2, 1)
    y = layer(tc.ones(1, 2)).sum()
    layer.double()
    try:
        y.backward()
    except tc.errors.InplaceError:
        return
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]


# --- state ----------------------------------------------------------------------------------------


def test_state_dict_round_trip() -> None:
    a, b = Net(), Net()
    a(tc.rand(4, 2))
    result = b.load_state_dict(a.state_dict())
    assert result.missing_keys == [] and result.unexpected_keys == []
    for (name, x), (_, y) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy(), err_msg=name)
        assert not np.shares_memory(x.numpy(), y.numpy())
    x = tc.rand(3, 2)
    np.testing.assert_array_equal(a.eval()(x).numpy(), b.eval()(x).numpy())


def test_state_dict_shares_memory_and_has_no_history() -> None:
    layer = nn.Linear(1, 1)
    state = layer.state_dict()
    assert all(not t.requires_grad for t in state.values())
    assert np.shares_memory(state["weight"].numpy(), layer.weight.numpy())


def test_loading_writes_in_place_and_is_seen_by_autograd() -> None:
    layer = nn.Linear(1, 1, bias=False)
    memory = layer.weight.numpy()
    x = tc.tensor([[2.0]], requires_grad=True)
    y = layer(x).sum()
    layer.load_state_dict({"weight": np.array([[5.0]])})  # float64 becomes float32
    assert layer.weight.numpy() is memory and memory.tolist() == [[5.0]]
    with pytest.raises(tc.errors.InplaceError):
        y.backward()


def test_loading_values_that_share_memory_with_the_module() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    first, second = (m.weight.numpy().copy() for m in model)
    state = model.state_dict()
    model.load_state_dict({"0.weight": state["1.weight"], "1.weight": state["0.weight"]})
    np.testing.assert_array_equal(model[0].weight.numpy(), second)
    np.testing.assert_array_equal(model[1].weight.numpy(), first)


def test_load_lists_all_that_is_wrong_and_changes_nothing() -> None:
    net = Net()
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    del state["scale"]
    state["fc9.weight"] = np.zeros(1)
    state["fc1.weight"] = np.zeros((2, 3))
    state["fc1.bias"] = "words"
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert "missing: scale" in text
    assert "unknown: fc9.weight" in text
    assert "fc1.weight has shape (2, 3), expected (3, 2) (its transpose would fit" in text
    assert "fc1.bias: tensor: holds real numbers" in text
    assert "nothing was changed" in text
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])
    for kind in (KeyError, RuntimeError):  # as in PyTorch, and as for a dictionary
        assert isinstance(caught.value, kind)


def test_load_that_is_not_strict() -> None:
    layer = nn.Linear(1, 1)
    result = layer.load_state_dict({"weight": [[3.0]], "other": 1.0}, strict=False)
    assert result == (["bias"], ["other"])
    assert layer.weight.tolist() == [[3.0]]
    with pytest.raises(StateDictError, match="expected"):
        layer.load_state_dict({"weight": [3.0]}, strict=False)
    with pytest.raises(DtypeError, match="needs a dictionary"):
        layer.load_state_dict([1, 2])  # type: ignore[arg-type]


def test_load_into_read_only_memory_is_refused_before_anything_changes() -> None:
    array = np.zeros((1, 1), np.float32)
    array.flags.writeable = False
    layer = nn.Linear(1, 1)
    layer.weight = nn.Parameter(tc.from_numpy(array))
    bias = layer.bias.item()
    with pytest.raises(StateDictError, match="weight is read-only"):
        layer.load_state_dict({"weight": [[1.0]], "bias": [9.0]})
    assert layer.bias.item() == bias


def test_normalization_takes_its_first_statistics_from_a_state_dict() -> None:
    a = nn.Sequential(nn.Normalization(), nn.Dense(2, 1))
    a[0].adapt(np.random.default_rng(0).normal(3, 2, (20, 2)))
    b = nn.Sequential(nn.Normalization(), nn.Dense(2, 1))
    b.load_state_dict(a.state_dict())
    x = np.ones((1, 2))
    assert b(x).tolist() == a(x).tolist()


# --- copies and memory ----------------------------------------------------------------------------


def test_deepcopy_is_independent() -> None:
    net = Net()
    net(tc.rand(4, 2))
    twin = copy.deepcopy(net)
    assert type(twin) is Net and names(twin.named_parameters()) == names(net.named_parameters())
    x = tc.rand(3, 2)
    net.eval()
    twin.eval()
    np.testing.assert_array_equal(net(x).numpy(), twin(x).numpy())
    with tc.no_grad():
        for p in twin.parameters():
            p += 1.0
    assert not np.allclose(net(x).numpy(), twin(x).numpy())
    assert twin.head[1] is not net.head[1]
    # The containers' own lists follow the copy.
    assert twin.head(tc.zeros(1, 3)).item() == twin.head[1].bias.item()


def test_deepcopy_keeps_shared_parameters_shared() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight


def test_pickle() -> None:
    model = nn.Sequential(nn.Dense(2, 3, "tanh"), nn.Dense(3, 1))
    twin = pickle.loads(pickle.dumps(model))
    x = tc.rand(4, 2)
    np.testing.assert_array_equal(model(x).numpy(), twin(x).numpy())


def test_a_thousand_steps_leave_nothing_for_the_collector() -> None:
    model = nn.Sequential(
        nn.Dense(2, 3, "tanh"), nn.BatchNorm1d(3), nn.Dropout(0.2), nn.Dense(3, 1, "sigmoid")
    )
    loss = nn.BCELoss()
    X, Y = tc.rand(8, 2), tc.ones(8, 1)

    def run(steps: int) -> None:
        for _ in range(steps):
            model.zero_grad()
            loss(model(X), Y).backward()

    run(3)
    gc.collect()
    gc.disable()
    try:
        run(1000)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_model_is_freed_with_its_last_reference() -> None:
    import weakref

    model = nn.Sequential(nn.Dense(2, 3, "tanh"), nn.Dense(3, 1))
    y = model(tc.rand(4, 2))
    ghost = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        del model, y
        assert ghost() is None
    finally:
        gc.enable()


# --- text -----------------------------------------------------------------------------------------


def test_repr_is_pytorchs_tree_with_counts() -> None:
    net = Net()
    assert repr(net) == (
        "Net(\n"
        "  (fc1): Linear(in_features=2, out_features=3)  # 9 parameters\n"
        "  (norm): BatchNorm1d(3, eps=1e-05, momentum=0.1)  # 6 parameters\n"
        "  (head): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=1)  # 4 parameters\n"
        "  )\n"
        ")  # 20 parameters"
    )
    net.fc1.requires_grad_(False)
    assert repr(net).endswith("# 20 parameters, 9 of them frozen")
    assert repr(net.fc1).endswith("# 9 parameters, frozen")
    assert repr(nn.ReLU()) == "ReLU()"
    assert repr(nn.Dense(1, 1, bias=False)).endswith("# 1 parameter")


def test_dir_lists_the_parts() -> None:
    assert {"fc1", "norm", "scale", "forward"} <= set(dir(Net()))
