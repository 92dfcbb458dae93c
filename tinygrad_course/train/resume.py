"""Writing a whole training run to a file, and going on from it bit for bit.

The file holds, beside the model, everything the next step depends on: the optimizer's moments, the
scheduler, the place of every random stream, the counts of the callbacks, the history.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_course import checkpoint
from tinygrad_course.errors import CheckpointError
from tinygrad_course.random import Generator, default_generator

from .history import History

if TYPE_CHECKING:
    from .fit import Run

__all__ = ["check_folder", "read", "restore", "write"]

_FORMAT = "tinygrad_course.train.fit"
_VERSION = 1


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise OSError now, rather than after the first epoch, when `path` cannot be written."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"fit: got checkpoint={os.fspath(path)!r}, whose folder {str(folder)!r} does not "
            "exist. Create it, or choose another path."
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"fit: got checkpoint={os.fspath(path)!r}, whose folder {str(folder)!r} cannot be "
            "written to. Choose another path."
        )


def write(path: str | os.PathLike[str], run: Run) -> None:
    """Write the state of `run`, at the end of an epoch, all or nothing."""
    state = {
        "format": _FORMAT,
        "version": _VERSION,
        "epoch": run.epoch,
        "stop": run.stop,
        "seed": run.seed,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "optimizer_kind": type(run.optimizer).__name__,
        "scheduler": None if run.scheduler is None else run.scheduler.state_dict(),
        "batches": run.batches.state_dict(),
        "default_generator": default_generator.get_state(),
        "generators": {name: g.get_state() for name, g in _generators(run.model).items()},
        "callbacks": [callback.state_dict() for callback in run.callbacks],
        "history": run.history.history,
    }
    checkpoint.save(state, path, metadata={"format": _FORMAT, "epoch": run.epoch})


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the state in a file of `write`.

    Raises:
        CheckpointError: damaged, or some other file. FileNotFoundError: there is none.
    """
    if not Path(path).exists():
        raise FileNotFoundError(
            f"fit: got resume=True, but there is no checkpoint {os.fspath(path)!r}. Check the "
            "path, or start with resume=False; resume='auto' resumes only where a file exists."
        )
    state = checkpoint.load(path)
    if not isinstance(state, Mapping) or state.get("format") != _FORMAT:
        raise CheckpointError(
            f"fit: {os.fspath(path)!r} is no checkpoint of a training run; it may hold the weights "
            "of a model only. Load those with model.load_state_dict(tc.load(path))."
        )
    if state["version"] != _VERSION:
        raise CheckpointError(
            f"fit: {os.fspath(path)!r} has version {state['version']}, expected {_VERSION}. "
            "Use the version of tinygrad_course that wrote it."
        )
    return dict(state)


def restore(state: Mapping[str, Any], run: Run) -> None:
    """Put `run` where `state` was taken. The model comes last: an error leaves its weights.

    Raises:
        CheckpointError: it is of a run with other settings.
        StateDictError: the model or the optimizer does not fit.
    """
    _same("optimizer", state["optimizer_kind"], type(run.optimizer).__name__)
    _same("scheduler", state["scheduler"] is not None, run.scheduler is not None)
    _same("number of callbacks", len(state["callbacks"]), len(run.callbacks))
    own = _generators(run.model)
    _same("generators in the model", sorted(state["generators"]), sorted(own))
    # The draws of this run start where the saved one stopped, the weights it was built with go.
    run.optimizer.load_state_dict(state["optimizer"])
    run.batches.load_state_dict(state["batches"])
    if run.scheduler is not None:
        run.scheduler.load_state_dict(state["scheduler"])
    run.model.load_state_dict(state["model"])
    for name, generator in own.items():
        generator.set_state(state["generators"][name])
    default_generator.set_state(state["default_generator"])
    for callback, saved in zip(run.callbacks, state["callbacks"], strict=True):
        callback.load_state_dict(saved)
    run.history = History(state["history"])
    run.epoch = state["epoch"]
    run.stop = state["stop"]


def _same(what: str, saved: Any, mine: Any) -> None:
    if saved != mine:
        raise CheckpointError(
            f"fit: the checkpoint is of a run with {what}: {saved}, this one has {mine}. "
            "Resume with the settings of the saved run."
        )


def _generators(model: Any) -> dict[str, Generator]:
    """Return the random generators that belong to modules, by path, each once."""
    found: dict[str, Generator] = {}
    seen = {id(default_generator)}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Generator) and id(value) not in seen:
                seen.add(id(value))
                found[f"{path}.{name}" if path else name] = value
    return found
