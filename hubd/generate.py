"""Write the generated files of the contract: `python -m hubd.generate [FOLDER]`, or `make contract`.

Guarantee: run twice, the second run changes nothing. Rule: it decides nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hubd.core.diagram import fill
from hubd.core.schema import files

CONTRACT = Path(__file__).resolve().parent.parent / "mailbox"


def current(folder: Path) -> dict[Path, str]:
    """Return what every generated file, and the page with generated blocks, must hold now."""
    found = {folder / path: text for path, text in files().items()}
    page = folder / "SPEC.md"
    if page.is_file():
        found[page] = fill(page.read_text(encoding="utf-8"))
    return found


def main(arguments: Sequence[str]) -> int:
    """Write what is not current, and say so."""
    folder = Path(arguments[0]) if arguments else CONTRACT
    for path, text in current(folder).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(folder)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
