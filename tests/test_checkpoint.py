"""Checkpoints: what goes in comes out, and a file that is not whole is refused."""

from __future__ import annotations

import builtins
import errno
import io
import json
import math
import os
import pickle
import stat
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinygrad_course import checkpoint
from tinygrad_course.checkpoint import load, load_metadata, save
from tinygrad_course.errors import CheckpointError, TinygradCourseError
from tinygrad_course.random import Generator
from tinygrad_course.tensor import Tensor, as_tensor

safetensors_numpy = pytest.importorskip("safetensors.numpy")

DTYPES = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8".split()


def state() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {
        "model": {"W[1]": as_tensor(draw.normal(size=(3, 2))), "b[1]": draw.normal(size=3)},
        "optimizer": {"lr": 0.01, "t": 7, "m": [draw.normal(size=(3, 2)).astype(np.float32)]},
        "generator": Generator(0).get_state(),
        "done": False,
    }


def assert_same(one: Any, two: Any) -> None:
    """Assert equality of types, dtypes and bits, all the way down."""
    assert type(one) is type(two)
    if isinstance(one, dict):
        assert list(one) == list(two)
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert_same(a, b)
    elif isinstance(one, Tensor | np.ndarray | np.generic):
        a = one.numpy() if isinstance(one, Tensor) else np.asarray(one)
        b = two.numpy() if isinstance(two, Tensor) else np.asarray(two)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    elif isinstance(one, float) and math.isnan(one):
        assert math.isnan(two)
    else:
        assert one == two


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.safetensors"


# Round trips


def test_a_training_state_comes_back_bit_for_bit(path: Path) -> None:
    save(state(), path)
    assert_same(load(path), state())


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**200),
        0.1,
        5e-324,
        math.inf,
        -math.inf,
        math.nan,
        -0.0,
        'W\u2081 \u03c3 \U0001f600 "quoted" \\ \n \x00',
        "lone \ud800 surrogate",
        [],
        {},
        (),
        [1, [2.0, ["three", None]], (4, (5,))],
        {1: "a", 2.5: "b", False: "c", "d": {0: {0: 0}}},
        {"$tensor": "not one", "$dict": [1]},
        {"$tuple": 1},
        np.float32(0.1),
        np.int64(3),
        np.bool_(True),
        np.array(3.5),
        np.zeros((0, 3), np.float32),
        np.array([np.nan, -0.0, np.inf]),
    ],
)
def test_every_kind_of_value_keeps_its_type(path: Path, value: Any) -> None:
    save(value, path)
    assert_same(load(path), value)
    save({"in": [value]}, path)
    assert_same(load(path), {"in": [value]})


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(path: Path, dtype: str) -> None:
    array = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    value = [array, array if dtype == "c8" else as_tensor(array)]  # tensors are real
    save(value, path)
    assert_same(load(path), value)


def test_any_memory_layout_keeps_its_values(path: Path) -> None:
    # The safetensors library alone saves the first three with their values in the wrong places.
    base = np.arange(12.0).reshape(3, 4)
    readonly = base.copy()
    readonly.flags.writeable = False
    views: list[NDArray[Any]] = [base.T, base[:, ::2], np.asfortranarray(base), base[::-1]]
    views += [np.broadcast_to(base[0], (2, 4)), readonly]
    save(views, path)
    for loaded, view in zip(load(path), views, strict=True):
        np.testing.assert_array_equal(loaded, view)


def test_big_endian_values_survive(path: Path) -> None:
    save(np.arange(3, dtype=">f4"), path)
    np.testing.assert_array_equal(load(path), [0, 1, 2])


def test_loaded_arrays_can_be_written_and_share_nothing(path: Path) -> None:
    save({"a": np.zeros(3), "b": np.zeros(3)}, path)
    loaded = load(path)
    loaded["a"] += 1
    assert loaded["b"].tolist() == [0, 0, 0]
    assert load(path)["a"].tolist() == [0, 0, 0]


def test_names_that_collide_are_kept_apart(path: Path) -> None:
    names = ["__metadata__", "", "value", 'quote"', "tinygrad_course", "sha256=", "\ud800"]
    value: dict[str, Any] = {name: np.full(1, i) for i, name in enumerate(names)}
    value |= {"a.b": np.full(1, 10), "a": {"b": np.full(1, 11), "b#2": np.full(1, 12)}}
    save(value, path)
    assert_same(load(path), value)


def test_text_that_imitates_the_digest_confuses_nothing(path: Path) -> None:
    fake = '"tinygrad_course":"sha256=' + "0" * 64 + " "
    value = {fake: np.ones(2), "text": fake}
    save(value, path, metadata={fake: fake})
    assert_same(load(path), value)
    assert load_metadata(path) == {fake: fake}


def test_ordered_dicts_and_their_order(path: Path) -> None:
    save(OrderedDict([("z", 1), ("a", np.zeros(2)), ("m", 3)]), path)
    assert list(load(path)) == ["z", "a", "m"]


def test_metadata(path: Path) -> None:
    save({"W": np.ones(2)}, path, metadata={"course": "DLS", "epoch": 3, "notes": ["\u00e9"]})
    assert load_metadata(path) == {"course": "DLS", "epoch": 3, "notes": ["\u00e9"]}
    save({}, path)
    assert load_metadata(path) == {}


def test_equal_states_give_equal_bytes(path: Path) -> None:
    save(state(), path, metadata={"a": 1, "b": 2})
    first = path.read_bytes()
    save(state(), path, metadata={"a": 1, "b": 2})
    assert path.read_bytes() == first


def test_saving_does_not_change_what_is_saved(path: Path) -> None:
    value = {"x": np.arange(6.0).reshape(2, 3).T}
    save(value, path)
    assert value["x"].strides == (8, 24)


# Other tools


def test_the_safetensors_package_reads_our_files(path: Path) -> None:
    save(state(), path)
    arrays = safetensors_numpy.load_file(path)
    np.testing.assert_array_equal(arrays["model.W[1]"], state()["model"]["W[1]"].numpy())
    np.testing.assert_array_equal(arrays["optimizer.m.0"], state()["optimizer"]["m"][0])
    assert len(arrays) == 3
    save({"weight": np.ones((2, 2), np.float32), "bias": np.zeros(2, np.float32)}, path)
    assert sorted(safetensors_numpy.load_file(path)) == ["bias", "weight"]


def test_files_of_the_safetensors_package_are_read_only_on_request(path: Path) -> None:
    safetensors_numpy.save_file({"w": np.arange(3.0)}, path, metadata={"format": "np"})
    with pytest.raises(CheckpointError, match="require_checksum=False"):
        load(path)
    loaded = load(path, require_checksum=False)
    assert isinstance(loaded["w"], Tensor)
    assert loaded["w"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(CheckpointError):
        load_metadata(path)


# Damage


def test_any_flipped_bit_in_the_header_is_refused(path: Path) -> None:
    save({"W": np.ones(1), "lr": 0.5}, path)
    good = path.read_bytes()
    end = 8 + int.from_bytes(good[:8], "little")
    for place in range(end * 8):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        # Without the requirement, too: a file of ours must not pass for another tool's.
        for require_checksum in (True, False):
            with pytest.raises(CheckpointError):
                load(path, require_checksum=require_checksum)
    path.write_bytes(good)
    assert load(path)["lr"] == 0.5


def test_flipped_bits_anywhere_are_refused(path: Path) -> None:
    save({"W": np.random.default_rng(0).normal(size=(64, 64)), "t": 3}, path)
    good = path.read_bytes()
    for place in np.random.default_rng(1).integers(8 * len(good), size=500).tolist():
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="Nothing was loaded"):
            load(path)
        with pytest.raises(CheckpointError, match="load_metadata: "):
            load_metadata(path)


def test_truncated_and_lengthened_files_are_refused(path: Path) -> None:
    save({"W": np.ones((4, 4)), "t": 3}, path)
    good = path.read_bytes()
    for size in range(len(good)):
        path.write_bytes(good[:size])
        with pytest.raises(CheckpointError):
            load(path)
    path.write_bytes(good[:-1])
    with pytest.raises(CheckpointError, match=f"truncated to {len(good) - 1} of {len(good)} bytes"):
        load(path)
    path.write_bytes(good[:50])
    with pytest.raises(CheckpointError, match="truncated or damaged: it has 50 bytes"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is empty"):
        load(path)
    path.write_bytes(good + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_swapped_blocks_are_refused(path: Path) -> None:
    save({"a": np.zeros(8), "b": np.ones(8)}, path)
    good = path.read_bytes()
    path.write_bytes(good[:-128] + good[-64:] + good[-128:-64])
    with pytest.raises(CheckpointError, match="SHA-256"):
        load(path)


class Trap:
    """Unpickling this would raise: loading must never get so far."""

    def __reduce__(self) -> Any:
        return (os.abort, ())


def foreign_files() -> dict[str, tuple[bytes, str]]:
    npz, npy = io.BytesIO(), io.BytesIO()
    np.savez(npz, W=np.ones(3))
    np.save(npy, np.ones(300))
    return {
        "text": (b"The quick brown fox jumps over the lazy dog.\n" * 9, "not a safetensors file"),
        "json": (b'{"W": [1.0, 2.0, 3.0, 4.0, 5.0]}', "not a safetensors file"),
        "short": (b"hi", "not a safetensors file"),
        "npz": (npz.getvalue(), r"a zip archive: an \.npz"),
        "npy": (npy.getvalue(), r"a NumPy \.npy file"),
        "pickle": (pickle.dumps(Trap()), "a pickle"),
        "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        "gzip": (b"\x1f\x8b\x08\x00" + bytes(100), "a gzip archive"),
        "zeros": (bytes(1000), "not a safetensors file"),
        "noise": (np.random.default_rng(0).bytes(1000), "not a safetensors file"),
    }


@pytest.mark.parametrize("kind", sorted(foreign_files()))
def test_foreign_files_are_refused_by_name(path: Path, kind: str) -> None:
    data, words = foreign_files()[kind]
    path.write_bytes(data)
    for require_checksum in (True, False):
        with pytest.raises(CheckpointError, match=words):
            load(path, require_checksum=require_checksum)


def forge(path: Path, text: str) -> None:
    """Write a file whose digest is right, whatever its text says."""
    head = "sha256=" + "0" * 64 + " "
    data = safetensors_numpy.save({"W": np.ones(2)}, {"tinygrad_course": head + text})
    start = data.index(b"0" * 64)
    digest = checkpoint._digest(data, start, start + 64)
    path.write_bytes(data[:start] + digest.encode() + data[start + 64 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "not JSON",
        '{"version": 1}',
        '{"version": 1, "metadata": 3, "tree": 3}',
        '{"version": 1, "metadata": {}, "tree": {"$tensor": "missing"}}',
        '{"version": 1, "metadata": {}, "tree": {"$array": ["W"]}}',
        '{"version": 1, "metadata": {}, "tree": {"$tuple": 1}}',
        '{"version": 1, "metadata": {}, "tree": {"$dict": [[[], 1]]}}',
        '{"version": 1, "metadata": {}, "tree": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_forged_files_are_refused(path: Path, text: str) -> None:
    forge(path, text)
    with pytest.raises(CheckpointError, match="not written by save"):
        load(path)


def test_a_newer_layout_is_named(path: Path) -> None:
    forge(path, json.dumps({"version": 2, "metadata": {}, "tree": 1}))
    with pytest.raises(CheckpointError, match="layout version 2, expected 1"):
        load(path)


# Writing


def fail(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk(io.BytesIO):
    """A file on a disk that is full after the first piece."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.pieces = 0

    def write(self, data: Any) -> int:
        self.pieces += 1
        return super().write(data) if self.pieces == 1 else int(fail())


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("old", [True, False])
def test_a_failing_disk_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str, old: bool
) -> None:
    if old:
        save({"t": 1}, path)
    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(checkpoint, "open", fail, raising=False)
        elif step == "write":
            patch.setattr(checkpoint, "open", FullDisk, raising=False)
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="save: .*No space left on device.*Check") as caught:
            save({"t": 2}, path)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(path.parent) == ([path.name] if old else [])
    if old:
        assert load(path) == {"t": 1}


def test_an_interrupted_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    save({"t": 1}, path)
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save({"t": 2}, path)
    assert load(path) == {"t": 1}
    assert os.listdir(path.parent) == [path.name]


def test_the_data_is_on_the_disk_before_it_gets_the_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append(f"sync {kind}")
        fsync(handle)

    def note_replace(source: Path, target: Path) -> None:
        done.append("replace")
        assert source.parent == target.parent
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    save({"t": 1}, path)
    expected = ["sync file", "replace", "sync folder"]
    assert done == (expected if os.name == "posix" else expected[:2])


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="save: .*Check that the folder exists"):
        save({}, tmp_path / "missing" / "state.safetensors")
    with pytest.raises(OSError, match="not an ordinary file"):
        save({}, tmp_path)
    with pytest.raises(FileNotFoundError, match="load: .*No such file"):
        load(tmp_path / "missing.safetensors")
    with pytest.raises(OSError, match="load: .*cannot be read"):
        load(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="devices and permission bits are POSIX's")
def test_devices_are_not_replaced_and_permissions_kept(path: Path) -> None:
    with pytest.raises(OSError, match="not an ordinary file"):
        save({}, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    save({}, path)
    path.chmod(0o640)
    save({"t": 1}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="Windows restricts links")
def test_a_link_keeps_pointing_at_its_target(tmp_path: Path) -> None:
    link = tmp_path / "latest.safetensors"
    link.symlink_to("epoch1.safetensors")
    save({"t": 1}, link)
    assert link.is_symlink()
    assert load(tmp_path / "epoch1.safetensors") == {"t": 1}


def test_paths_may_be_strings(path: Path) -> None:
    save({"t": 1}, str(path))
    assert load(str(path)) == {"t": 1}


# What cannot be saved


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"model": {"act": np.tanh}}, "ufunc at 'model.act'"),
        ({"x": {1, 2}}, "set at 'x'"),
        ({"x": [0, 1j]}, "complex at 'x.1'"),
        ({"x": b"raw"}, "bytes at 'x'"),
        ({"x": np.zeros(2, np.complex128)}, "dtype complex128 at 'x'"),
        ({"x": np.array(["a"])}, "dtype <U1 at 'x'"),
        ({"x": np.array([None])}, "dtype object at 'x'"),
        ({"x": {(1, 2): 3}}, r"key \(1, 2\)"),
        ({None: 3}, "key None"),
        (Trap(), "Trap at 'the top'"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_written(
    path: Path, value: Any, words: str
) -> None:
    save({"t": 1}, path)
    with pytest.raises(TypeError, match=words) as caught:
        save(value, path)
    assert isinstance(caught.value, TinygradCourseError)
    assert load(path) == {"t": 1}


def test_endless_state_is_refused(path: Path) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with pytest.raises(ValueError, match="contains itself"):
        save(loop, path)
    assert not path.exists()


def test_metadata_must_be_jsonable(path: Path) -> None:
    with pytest.raises(TypeError, match="metadata that JSON cannot hold"):
        save({}, path, metadata={"array": np.ones(2)})


def test_without_the_package_the_cure_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save({}, path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        save({}, path)
    with pytest.raises(ImportError, match="pip install safetensors"):
        load(path)


def test_pickle_is_never_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "load", fail)
    monkeypatch.setattr(pickle, "loads", fail)
    monkeypatch.setattr(pickle, "dumps", fail)
    monkeypatch.setattr(builtins, "eval", fail)
    save(state(), path)
    assert_same(load(path), state())
