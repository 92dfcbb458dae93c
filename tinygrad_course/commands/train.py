"""``tinygrad-course train``: the labs, each with its own settings, which options change.

The folder of a run holds its settings beside its checkpoint, so that ``--resume`` needs no more
than the dataset's name to go on bit for bit.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_course.commands.options import (
    count,
    folder,
    hidden,
    limit,
    number_from_zero,
    positive,
    require,
    writable,
)
from tinygrad_course.errors import ArgumentError

if TYPE_CHECKING:
    from tinygrad_course.commands.recipes import Data

DATASETS = ("coffee", "digits", "planar", "moons", "circles")
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu")

# Learning rates for an optimizer that is not the lab's.
LEARNING_RATES = {
    **dict.fromkeys(("sgd", "adagrad", "asgd"), 0.1),
    **dict.fromkeys(("rmsprop", "adam", "adamw", "adamax", "nadam", "radam", "rprop"), 0.01),
    "adadelta": 1.0,
}
OPTIMIZERS = tuple(LEARNING_RATES)

MODEL, HISTORY, BOUNDARY = "model.safetensors", "history.png", "boundary.png"
CHECKPOINT, SETTINGS = "checkpoint.safetensors", "settings.json"

# So many checkpoints are written in a run: runs of thousands of short epochs would wait for disks.
CHECKPOINTS = 50

EPILOG = """\
the labs' own settings:
  coffee   2-3-1 sigmoid, Adam 0.01, batches of 32, 10 epochs
  digits   64-25-15-10 ReLU, softmax cross-entropy, Adam 0.001, batches of 32, 40 epochs
  planar   2-4-1 tanh, gradient descent 1.2, 10,000 epochs
  moons    2-16-16-1 ReLU, max-margin loss, gradient descent 1.0 falling to 0.1, 100 epochs
  circles  2-10-5-1 ReLU with He weights, gradient descent 0.01, 15,000 epochs

examples:
  tinygrad-course train coffee
  tinygrad-course train planar --hidden 20 --out runs/planar20
  tinygrad-course train digits --hidden none --optimizer sgd --lr 0.5
  tinygrad-course train moons --resume --epochs 200
"""


@dataclass(frozen=True)
class Settings:
    """What a run is made with; only `epochs` may change when it is resumed."""

    dataset: str
    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    lr: float
    batch_size: int | None
    seed: int
    epochs: int


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "train",
        help="train a network on one of the courses' datasets",
        description="Train a network on one of the courses' datasets, with the settings of its\n"
        "lab or your own. Leaves the model, the learning curves, the decision boundary and a\n"
        "checkpoint in a folder.",
        epilog=EPILOG,
    )
    parser.add_argument("dataset", choices=DATASETS, metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("--epochs", type=count, help="how often to go through the data")
    parser.add_argument("--lr", type=positive, help="learning rate")
    parser.add_argument(
        "--batch-size", type=limit, default=0, metavar="N", help="examples per step, or 'all'"
    )
    parser.add_argument(
        "--hidden", type=hidden, metavar="N,N,…", help="units of the hidden layers, or 'none'"
    )
    parser.add_argument("--seed", type=number_from_zero, help="of weights, order and split (0)")
    known = ", ".join(OPTIMIZERS)
    parser.add_argument(
        "--optimizer", choices=OPTIMIZERS, metavar="NAME", help=f"of the update: {known}"
    )
    parser.add_argument("--activation", choices=ACTIVATIONS, help="of the hidden layers")
    parser.add_argument("--out", metavar="DIR", help="folder to write (runs/DATASET)")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in the folder, exactly"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, and tell how it went."""
    needed = ("sklearn", "matplotlib") if arguments.dataset == "digits" else ("matplotlib",)
    require(f"train {arguments.dataset}", needed)
    out = Path(f"runs/{arguments.dataset}" if arguments.out is None else arguments.out)
    if arguments.resume:
        settings = _saved(out, arguments)
    else:
        settings = _chosen(arguments)
    folder(out if arguments.out is None else arguments.out)
    writable(out, (MODEL, HISTORY, BOUNDARY, CHECKPOINT, SETTINGS))
    return _train(settings, out, arguments.resume)


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the command line gives."""
    values = {name: getattr(arguments, name) for name in Settings.__annotations__}
    given = {name: value for name, value in values.items() if value is not None}
    # None means "all" here, and 0 that the option was left out.
    given.pop("batch_size", None)
    if arguments.batch_size != 0:
        given["batch_size"] = arguments.batch_size
    return given


def _chosen(arguments: argparse.Namespace) -> Settings:
    """Return the lab's settings, with those of the command line in their place."""
    from tinygrad_course.commands.recipes import RECIPES

    recipe = RECIPES[arguments.dataset]
    given = _given(arguments)
    lr = recipe.lr
    if given.get("optimizer", recipe.optimizer) != recipe.optimizer:
        lr = LEARNING_RATES[given["optimizer"]]
    lab = {
        "hidden": recipe.hidden,
        "activation": recipe.activation,
        "optimizer": recipe.optimizer,
        "lr": lr,
        "batch_size": recipe.batch_size,
        "seed": 0,
        "epochs": recipe.epochs,
    }
    return Settings(**{**lab, **given})


def _saved(out: Path, arguments: argparse.Namespace) -> Settings:
    """Return the settings of the run in a folder; refuse others on the command line."""
    from tinygrad_course.checkpoint import load_metadata

    path = out / CHECKPOINT
    if not path.is_file():
        raise ArgumentError(
            f"--resume: there is no checkpoint {str(path)!r} to go on from. Train without "
            "--resume first, or name the folder of the run with --out."
        )
    settings = _read(out / SETTINGS)
    given = _given(arguments)
    for name, value in given.items():
        mine = getattr(settings, name)
        if name != "epochs" and value != mine:
            option = "" if name == "dataset" else "--" + name.replace("_", "-") + " "
            raise ArgumentError(
                f"--resume: got {option}{_text(value)}, but the run in {str(out)!r} has "
                f"{_text(mine)}. Leave it out, or train anew in another --out."
            )
    done = load_metadata(path)["epoch"]
    epochs = given.get("epochs", settings.epochs)
    if epochs < done:
        raise ArgumentError(
            f"--resume: got --epochs {epochs}, but the run in {str(out)!r} has {done} behind it "
            "already. --epochs counts them in; ask for more."
        )
    return replace(settings, epochs=epochs)


def _read(path: Path) -> Settings:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        settings = Settings(**{**found, "hidden": tuple(found["hidden"])})
        if settings.dataset in DATASETS:
            return settings
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise ArgumentError(
        f"--resume: {str(path)!r}, which says how the run was made, is missing or damaged. "
        "Train anew, without --resume."
    )


def _train(settings: Settings, out: Path, resume: bool) -> int:
    import numpy as np

    import tinygrad_course as tc
    from tinygrad_course.checkpoint import load_metadata, save
    from tinygrad_course.commands import recipes
    from tinygrad_course.train import evaluate

    recipe = recipes.RECIPES[settings.dataset]
    data = recipe.data(settings.seed)
    tc.manual_seed(settings.seed)
    model = recipes.build(recipe, settings.hidden, settings.activation, data)
    loss, metrics = recipes.objective(recipe, model)
    checkpoint = out / CHECKPOINT
    _announce(settings, recipe, data, model)
    if not resume:
        checkpoint.unlink(missing_ok=True)
    (out / SETTINGS).write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
    try:
        # An overflow shows in the loss, and fit then says what to do.
        with np.errstate(over="ignore", invalid="ignore"):
            history = tc.fit(
                model,
                data.X,
                data.Y,
                loss=loss,
                optimizer=settings.optimizer,
                lr=settings.lr,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                shuffle=settings.batch_size is not None,
                seed=settings.seed,
                validation_data=data.test,
                metrics=metrics,
                scheduler=recipes.schedule(recipe),
                checkpoint=checkpoint,
                checkpoint_every=max(1, settings.epochs // CHECKPOINTS),
                resume=resume,
            )
    except KeyboardInterrupt:
        if not checkpoint.exists():
            raise KeyboardInterrupt("interrupted before the first checkpoint") from None
        done = load_metadata(checkpoint)["epoch"]
        raise KeyboardInterrupt(
            f"interrupted; {done} of {settings.epochs} epochs are saved, and the same command "
            "with --resume goes on from there"
        ) from None
    print(history)
    print()
    model = recipes.whole(model, data)
    figures = {"training": evaluate(model, *data.plain, loss=loss, metrics=metrics)}
    if data.test is not None:
        figures["test"] = evaluate(model, *data.test, loss=loss, metrics=metrics)
    print("           loss       accuracy")
    for name, values in figures.items():
        print(f"{name:<9}  {values['loss']:<9.4g}  {values['accuracy']:.2%}")
    save(model.state_dict(), out / MODEL, metadata={"dataset": settings.dataset})
    written = [MODEL, *_pictures(settings, data, model, history, out), CHECKPOINT, SETTINGS]
    print(f"\nwrote {out}: {', '.join(written)}")
    return 0


def _announce(settings: Settings, recipe: Any, data: Data, model: Any) -> None:
    from tinygrad_course import nn

    inputs = data.plain[0].shape[1]
    sizes = "-".join(str(n) for n in (inputs, *settings.hidden, recipe.outputs))
    hidden_part = f", {settings.activation} in the hidden layers" if settings.hidden else ""
    last = {"sigmoid": "sigmoid", "linear": "linear"}[recipe.last]
    if recipe.loss == "cross_entropy":
        last = "linear (softmax in the loss)"
    batch = "all examples at once" if settings.batch_size is None else f"{settings.batch_size}"
    print(recipe.title)
    print(f"  data       {data.words}")
    print(f"  network    {sizes}{hidden_part}; last layer {last}")
    print(f"  loss       {recipe.loss}")
    print(f"  optimizer  {settings.optimizer}, learning rate {settings.lr:g}, batch {batch}")
    print(f"  epochs     {settings.epochs}, seed {settings.seed}")
    print()
    print(nn.summary(model, (inputs,)))
    print(flush=True)


def _pictures(settings: Settings, data: Data, model: Any, history: Any, out: Path) -> list[str]:
    """Draw the learning curves, and the boundary where the data lies in a plane."""
    import viz
    from tinygrad_course.demo.pictures import png
    from viz.render import write_atomically

    title = f"{settings.dataset}, {settings.optimizer} {settings.lr:g}"
    axes = viz.plot_history(history, title=title)
    drawn: list[tuple[str, Any]] = [(HISTORY, axes)]
    X, Y = data.plain
    if X.shape[1] == 2:
        axes = viz.plot_decision_boundary(model, X, Y, title=settings.dataset)
        axes.set_xlabel(data.axes[0])
        axes.set_ylabel(data.axes[1])
        drawn.append((BOUNDARY, axes))
    for name, axes in drawn:
        write_atomically(out / name, png(axes))
    return [name for name, _ in drawn]


def _text(value: Any) -> str:
    if value is None:
        return "all"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)
