"""What the examples share: the option --out, a folder for their pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def pictures_folder() -> Path | None:
    """Return the folder given as ``--out DIR``, made if need be; None without the option."""
    about = (sys.modules["__main__"].__doc__ or "").strip()
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write pictures to this folder")
    folder: Path | None = parser.parse_args().out
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder
