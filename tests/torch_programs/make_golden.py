"""Write golden.json: what the programs of this folder compute with PyTorch.

    python tests/torch_programs/make_golden.py

PyTorch is needed to run this, and for nothing else; the numbers in the file are of version 2.13.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
HELPERS = {"make_golden", "numpy_start"}


def main() -> None:
    sys.path.insert(0, str(HERE))
    found = {}
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in HELPERS:
            found[path.stem] = [float(value) for value in runpy.run_path(str(path))["losses"]]
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in found.items()]
    (HERE / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
