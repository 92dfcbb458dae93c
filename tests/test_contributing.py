"""The two edits of CONTRIBUTING.md really add an operation: they are made in a copy, and tested."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_an_operation_is_added_in_two_edits(tmp_path):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    definition, sample = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    skipped = shutil.ignore_patterns("__pycache__")
    for folder in ("tinygrad_course", "tests", "viz", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=skipped)
    for file in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / file, tmp_path)

    operations = tmp_path / "tinygrad_course/ops/elementwise.py"
    with operations.open("a", encoding="utf-8") as file:
        file.write("\n\n" + definition)
    samples = tmp_path / "tests/op_samples.py"
    before, found, after = samples.read_text(encoding="utf-8").partition("OPS: dict[str, ")
    rest, brace, entries = after.partition("{\n")
    samples.write_text(before + found + rest + brace + sample + entries, encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            env={"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    files = ("tests/test_registry.py", "tests/test_notation.py")
    tested = run("-m", "pytest", "-p", "no:cacheprovider", *files, "-k", "cbrt and not jax")
    count = int(re.search(r"(\d+) passed", tested)[1])
    assert count >= 10
    run("-m", "pytest", "-p", "no:cacheprovider", "tinygrad_course/ops/elementwise.py")
    run("tools/make_stubs.py")
    assert "def cbrt(" in (tmp_path / "tinygrad_course/_methods.pyi").read_text(encoding="utf-8")
    shown = run(
        "-c",
        "import tinygrad_course as tc, numpy as np\n"
        "x = tc.tensor([8.0, 27.0], requires_grad=True, name='x')\n"
        "y = np.cbrt(x)\n"
        "y.sum().backward()\n"
        "rounded = [t.round(decimals=4).tolist() for t in (y, 12 * x.grad)]\n"
        "print(tc.__file__, *rounded)",
    )
    assert str(tmp_path) in shown
    assert "[2.0, 3.0] [1.0, 0.4444" in shown
