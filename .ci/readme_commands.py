"""Print the commands of the README's section "The two commands", one per line."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def commands(text: str) -> list[str]:
    """Return the shell blocks of the section."""
    _, _, section = text.partition("\n## The two commands\n")
    section = section.partition("\n## ")[0]
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", section, flags=re.S)]


if __name__ == "__main__":
    print("\n".join(commands(Path(sys.argv[1]).read_text(encoding="utf-8"))))
