"""The demo: a network learns to read real digits, and a page shows how.

`make` trains the lecture's 64-25-15-1 network on the zeros and ones of scikit-learn's bundled
digits, checks its gradients, derives its backpropagation, and writes pictures, a NumPy program, the
model and one offline page into a folder. The same seed gives the same numbers, pictures and files.

`training` knows nothing of pictures, `pictures` nothing of the page, and `page` only texts.
"""

from __future__ import annotations

from pathlib import Path

from .training import Outcome, train

__all__ = ["FILES", "make"]

FILES = (
    "index.html",
    "graph.svg",
    "graph.png",
    "network.svg",
    "history.png",
    "activations.png",
    "digits.png",
    "gradcheck.txt",
    "backprop.py",
    "model.safetensors",
)


def make(out: Path, *, seed: int = 0, epochs: int = 40, verbose: bool = True) -> Outcome:
    """Train, check, draw, and write all `FILES`.

    Args:
        out: a folder that exists.
        seed: of the split, the weights and the order of the examples.
        epochs: how often to go through the training images.
        verbose: whether to print what is going on.

    Returns:
        What came out: the model, the data, the figures.

    Raises:
        MissingDependencyError: scikit-learn, Matplotlib or a renderer of graphs is not installed.
        OSError, RenderError: a file cannot be written.
    """
    from tinygrad_course.checkpoint import save
    from viz.render import write_atomically

    from . import page, pictures

    def say(text: str = "") -> None:
        if verbose:
            print(text, flush=True)

    say("64-25-15-1 network on real handwritten zeros and ones (scikit-learn's bundled digits)")
    outcome = train(seed=seed, epochs=epochs, verbose="auto" if verbose else False)
    for line in outcome.lines():
        say(line)
    say("drawing ...")
    save(outcome.model.state_dict(), out / "model.safetensors", metadata=outcome.metadata())
    write_atomically(out / "gradcheck.txt", outcome.gradient_text().encode("utf-8"))
    write_atomically(out / "backprop.py", str(outcome.program).encode("utf-8"))
    for name, data in pictures.files(outcome):
        write_atomically(out / name, data)
    write_atomically(out / "index.html", page.html(outcome, pictures.inline(outcome)).encode())
    say(f"wrote {out}: {', '.join(FILES)}")
    say(f"open {out / 'index.html'} in a browser")
    return outcome
