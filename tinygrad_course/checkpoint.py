"""Checkpoints: state dicts on disk that are either read back whole and unchanged, or refused.

Here you `save` a state dict - tensors, arrays, numbers, strings, lists and dictionaries, nested as
you like - and `load` it. The file is an ordinary safetensors file, which other tools open too. What
that format lacks is in its metadata: the nesting, the plain values, and a SHA-256 over every byte
of the file. Nothing in a file is ever executed (no pickle).

This module knows nothing of models, optimizers or training: they make and take the state dicts.

Layout. The one metadata entry ``tinygrad_course`` holds ``sha256=<64 hex digits> <JSON>``, where
the JSON object has ``version``, ``metadata`` (the user's) and ``tree`` (the nesting). One entry,
because the safetensors library writes several in an arbitrary order, and the same state must give
the same bytes. The digest is taken with its own 64 digits read as zeros, so it covers all the file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.creation import device
from tinygrad_course.errors import (
    ArgumentError,
    CheckpointError,
    DtypeError,
    MissingDependencyError,
)
from tinygrad_course.tensor import Tensor, as_tensor

__all__ = ["load", "load_metadata", "save"]

Array = NDArray[Any]

_ENTRY = "tinygrad_course"
_VERSION = 1
_NO_DIGEST = b"0" * 64
# An unescaped quote cannot stand inside a JSON string: this text in a header is the entry itself,
# never part of a user's name or value.
_DIGEST = re.compile(rb'"tinygrad_course":"sha256=([0-9a-f]{64}) ')
_BARE_DIGEST = re.compile(rb"sha256=[0-9a-f]{64} ")
_DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64"

# What files commonly mistaken for a checkpoint begin with.
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive: an .npz, .keras or PyTorch .pt file"),
    (b"\x93NUMPY", "a NumPy .npy file"),
    (b"\x89HDF\r\n", "an HDF5 file, as Keras and MATLAB write"),
    (b"\x80", "a pickle"),
    (b"\x1f\x8b", "a gzip archive"),
)


def save(obj: Any, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
    """Write a state dict to a file, all or nothing.

    The bytes go to a new file beside `path`, are flushed to the disk, and only then take its name:
    a crash or a full disk leaves the old file as it was.

    Args:
        obj: a dictionary of tensors, arrays, numbers, strings, booleans, None, and of dictionaries,
            lists and tuples of these. Keys are strings, integers, floats or booleans. A tensor's
            values are saved, not its history or `requires_grad`.
        path: where to write; its folder must exist. Usually named ``*.safetensors``.
        metadata: what a reader should know about the file, JSON-able; see `load_metadata`.

    Raises:
        ArgumentError: nesting too deep, or a dictionary that contains itself.
        DtypeError: something in `obj` cannot be stored (functions, objects, complex128, ...).
        MissingDependencyError: the package safetensors is not installed.
        OSError: the file cannot be written. The old file, if any, is untouched.

    Source: the format is https://huggingface.co/docs/safetensors

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from tinygrad_course.checkpoint import load, save
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "model.safetensors"
        ...     save({"W": np.eye(2), "step": 7}, path)
        ...     load(path)
        {'W': array([[1., 0.],
               [0., 1.]]), 'step': 7}
    """
    path = _path("save", path)
    arrays: dict[str, Array] = {}
    try:
        tree = _encode(obj, "", arrays)
        content = {"version": _VERSION, "metadata": dict(metadata or {}), "tree": tree}
        text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    except RecursionError:
        raise ArgumentError(
            "save: got a state dict nested too deeply, or one that contains itself; expected a few "
            "levels. Save its parts under names of their own."
        ) from None
    except TypeError as error:
        if isinstance(error, DtypeError):
            raise
        raise DtypeError(
            f"save: got metadata that JSON cannot hold ({error}), expected strings, numbers and "
            "lists. Convert it, for example str(value)."
        ) from None
    head = f"sha256={_NO_DIGEST.decode()} "
    data = _safetensors().save(arrays, metadata={_ENTRY: head + text})
    found = _DIGEST.search(data)
    if found is None:
        raise CheckpointError("save: the safetensors library did not write the metadata as given.")
    start, end = found.span(1)
    parts = (data[:start], _digest(data, start, end).encode(), memoryview(data)[end:])
    _write(path, parts)


def load(
    path: str | os.PathLike[str],
    require_checksum: bool = True,
    *,
    map_location: Any = None,
    weights_only: bool = True,
) -> Any:
    """Read back what `save` wrote, or refuse.

    Args:
        path: the file.
        require_checksum: False also accepts safetensors files of other tools, which have no
            checksum; they load as a flat dictionary of tensors. A file of `save` is verified
            anyway.
        map_location: the CPU, if given, as PyTorch's programs do.
        weights_only: accepted; nothing in a file is ever executed.

    Returns:
        The saved object: tensors as tensors, arrays as arrays, in the saved order.

    Raises:
        CheckpointError: the file is damaged, truncated, or not a checkpoint; the message says
            which. Nothing of it is returned.
        MissingDependencyError: the package safetensors is not installed.
        OSError: the file cannot be read; FileNotFoundError when there is none.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from tinygrad_course.checkpoint import load, save
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "state.safetensors"
        ...     save({"lr": 0.1, "betas": (0.9, 0.999)}, path)
        ...     load(path)
        {'lr': 0.1, 'betas': (0.9, 0.999)}
    """
    if map_location is not None:
        device(map_location)
    data, content = _read("load", path, require_checksum)
    library = _safetensors()
    try:
        arrays: dict[str, Array] = library.load(data)
    except MemoryError:
        raise
    except Exception as error:  # its own error is no ValueError, and an unknown dtype a KeyError
        raise CheckpointError(
            f"load: {_quoted(path)} is not a safetensors file that can be read here "
            f"({type(error).__name__}: {error}). Nothing was loaded; use another copy."
        ) from None
    if content is None:
        return {name: as_tensor(array) for name, array in arrays.items()}
    try:
        return _decode(content["tree"], arrays)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"load: {_quoted(path)} describes values that are not in it "
            f"({type(error).__name__}: {error}); it was not written by save. Nothing was loaded."
        ) from None


def load_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the metadata that was given to `save`, after verifying the whole file.

    Args:
        path: a file written by `save`.

    Raises:
        CheckpointError: the file is damaged, truncated, or not a checkpoint.
        OSError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from tinygrad_course.checkpoint import load_metadata, save
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "state.safetensors"
        ...     save({}, path, metadata={"epoch": 3})
        ...     load_metadata(path)
        {'epoch': 3}
    """
    _, content = _read("load_metadata", path, require_checksum=True)
    return dict(content["metadata"]) if content is not None else {}


def _encode(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Return `value` as JSON, having put its arrays into `arrays` under their dotted names.

    Plain values and lists stand for themselves; what JSON lacks is an object with one ``$`` key.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        return {"$tensor": _store(value.numpy(), name, arrays)}
    if isinstance(value, np.ndarray):
        return {"$array": _store(value, name, arrays)}
    if isinstance(value, np.generic):
        return {"$scalar": _store(np.asarray(value), name, arrays)}
    if isinstance(value, Mapping):
        return _encode_mapping(value, name, arrays)
    if isinstance(value, list | tuple):
        items = [_encode(item, _join(name, i), arrays) for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if hasattr(value, "state_dict"):
        raise DtypeError(
            f"save: got a {type(value).__name__} at {name or 'the top'!r}, expected its state: "
            "objects are not pickled. Write save(model.state_dict(), path), and read it with "
            "model.load_state_dict(load(path))."
        )
    raise DtypeError(
        f"save: got a {type(value).__name__} at {name or 'the top'!r}, expected tensors, arrays, "
        "numbers, strings, booleans, None, or dictionaries, lists and tuples of these. "
        "Convert it, or leave it out of the state dict."
    )


def _encode_mapping(value: Mapping[Any, Any], name: str, arrays: dict[str, Array]) -> Any:
    for key in value:
        if type(key) not in (str, int, float, bool):
            raise DtypeError(
                f"save: got the key {key!r} of type {type(key).__name__} at {name or 'the top'!r}, "
                "expected strings or numbers as keys. Convert it, for example str(key)."
            )
    items = [(key, _encode(item, _join(name, key), arrays)) for key, item in value.items()]
    if all(type(key) is str and not key.startswith("$") for key, _ in items):
        return dict(items)
    return {"$dict": items}


def _join(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _store(array: Array, name: str, arrays: dict[str, Array]) -> str:
    if array.dtype.name not in _DTYPES.split():
        raise DtypeError(
            f"save: got an array of dtype {array.dtype} at {name or 'the top'!r}, expected one of "
            f"{_DTYPES}. Convert it first, for example array.astype(np.float64)."
        )
    # {"a.b": x, "a": {"b": y}} gives one dotted name twice; "__metadata__" belongs to the format.
    plain = name.encode("utf-8", "backslashreplace").decode() or "value"
    unique, count = plain, 1
    while unique in arrays or unique == "__metadata__":
        count += 1
        unique = f"{plain}#{count}"
    # The library reads the memory straight through, whatever the strides: a transposed array would
    # be saved with its values in the wrong places, silently.
    arrays[unique] = np.array(array, order="C", copy=None)
    return unique


def _decode(tree: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, list):
        return [_decode(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) == 1:
        (kind, content), *_ = tree.items()
        if kind == "$tensor":
            return as_tensor(arrays[content])
        if kind == "$array":
            return arrays[content]
        if kind == "$scalar":
            return arrays[content][()]
        if kind == "$tuple":
            return tuple(_decode(item, arrays) for item in content)
        if kind == "$dict":
            return {key: _decode(item, arrays) for key, item in content}
    return {key: _decode(item, arrays) for key, item in tree.items()}


def _read(
    caller: str, path: str | os.PathLike[str], require_checksum: bool
) -> tuple[bytes, dict[str, Any] | None]:
    """Return the file's bytes, verified, and the content of our entry (None in foreign files)."""
    path = _path(caller, path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise _os_error(caller, "cannot be read", path, error, "Check the name.") from error
    header = data[8 : 8 + _header_size(caller, path, data)]
    found = _DIGEST.search(header)
    if found is None:
        # Our name without a digest beside it: damage, not another tool's file.
        if _ENTRY.encode() in header or _BARE_DIGEST.search(header):
            raise _damaged(caller, path, data, header)
        if require_checksum:
            raise CheckpointError(
                f"{caller}: {_quoted(path)} was not written by tinygrad_course.save: it carries no "
                "SHA-256, so damage could not be seen. Nothing was loaded. If you trust the file, "
                "read it with load(path, require_checksum=False)."
            )
        return data, None
    start, end = (8 + place for place in found.span(1))
    if found[1].decode() != _digest(data, start, end):
        raise _damaged(caller, path, data, header)
    try:
        text = json.loads(header)["__metadata__"][_ENTRY]
        content = json.loads(text.partition(" ")[2])
        if content["version"] != _VERSION:
            raise CheckpointError(
                f"{caller}: {_quoted(path)} has the layout version {content['version']!r}, "
                f"expected {_VERSION}. A newer tinygrad_course wrote it; upgrade this one."
            )
        return data, {"tree": content["tree"], "metadata": dict(content["metadata"])}
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{caller}: {_quoted(path)} has a header that cannot be understood ({error}); it was "
            "not written by save. Nothing was loaded."
        ) from None


def _header_size(caller: str, path: str | os.PathLike[str], data: bytes) -> int:
    """Return the size of the JSON header, which the first 8 bytes give, or refuse the file."""
    size = int.from_bytes(data[:8], "little")
    if len(data) >= 10 and size <= len(data) - 8 and data[8:9] == b"{":
        return size
    if not data:
        reason = "is empty"
    elif data[8:9] == b"{" and size > len(data) - 8:
        reason = f"is truncated or damaged: it has {len(data)} bytes, less than its header"
    else:
        kinds = [kind for start, kind in _FOREIGN if data.startswith(start)]
        reason = f"is {kinds[0]}, not a safetensors file" if kinds else "is not a safetensors file"
    cure = ""
    if data.startswith((b"PK", b"\x80")):
        cure = (
            " Weights of PyTorch: there, write safetensors.torch.save_file(model.state_dict(), "
            '"model.safetensors"); here, load("model.safetensors", require_checksum=False).'
        )
    raise CheckpointError(
        f"{caller}: {_quoted(path)} {reason}. Nothing was loaded; expected a file written by "
        f"tinygrad_course.save.{cure}"
    )


def _damaged(
    caller: str, path: str | os.PathLike[str], data: bytes, header: bytes
) -> CheckpointError:
    """Return the error for a file of ours whose bytes changed; say so when some are missing."""
    reason = "its bytes do not give the SHA-256 stored in it"
    with contextlib.suppress(LookupError, TypeError, AttributeError, ValueError, RecursionError):
        entries = json.loads(header).items()
        ends = [entry["data_offsets"][1] for name, entry in entries if name != "__metadata__"]
        expected = 8 + len(header) + max(ends, default=0)
        if len(data) < expected:
            reason = f"it is truncated to {len(data)} of {expected} bytes"
    return CheckpointError(
        f"{caller}: {_quoted(path)} is damaged: {reason}. Nothing was loaded; use another copy."
    )


def _digest(data: bytes, start: int, end: int) -> str:
    """Return the SHA-256 of `data` with the bytes from `start` to `end` read as zero digits."""
    view = memoryview(data)
    sha = hashlib.sha256(view[:start])
    sha.update(_NO_DIGEST)
    sha.update(view[end:])
    return sha.hexdigest()


def _write(path: str | os.PathLike[str], parts: tuple[bytes | memoryview, ...]) -> None:
    """Write a file so that at every moment `path` is the old file or the whole new one."""
    # A link keeps pointing at its target, which gets the new content.
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".tinygrad_course-{os.urandom(6).hex()}.tmp"
    try:
        if target.exists() and not target.is_file():
            # Replacing a folder fails by itself, but replacing /dev/null would succeed.
            raise OSError(errno.EINVAL, "it exists and is not an ordinary file")
        try:
            with open(temporary, "xb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        cure = "Check that the folder exists and is writable, and the space on the disk."
        raise _os_error("save", "cannot be written", path, error, cure) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut too, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder; the file itself is safe by now.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _os_error(
    caller: str, what: str, path: str | os.PathLike[str], error: OSError, cure: str
) -> OSError:
    """Return an error of the same kind (FileNotFoundError, ...) that says what to do."""
    reason = error.strerror or str(error)
    text = f"{caller}: {_quoted(path)} {what}: {reason}. {cure}"
    made = type(error)(text)
    made.errno = error.errno
    return made


def _path(caller: str, path: Any) -> str | os.PathLike[str]:
    if isinstance(path, str | os.PathLike):
        return path
    raise DtypeError(
        f"{caller}: got {type(path).__name__} as the path, expected a string or a Path. "
        'Write for example "model.safetensors"; the state dict comes first in save(state, path).'
    )


def _quoted(path: str | os.PathLike[str]) -> str:
    return repr(os.fspath(path))


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingDependencyError(
            "Saving and loading checkpoints needs the package 'safetensors', which is not "
            "installed. Install it with: pip install safetensors"
        ) from error
    return safetensors.numpy
