"""What the read model looks at, over a table in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hubd.layout import Layout
from tests.core.play import Table


class Archive:
    """A ledger's tree in memory, as far as the read model looks at it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.read_paths: list[str] = []

    def read(self, path: str) -> bytes | None:
        self.read_paths.append(path)
        return self.table.tree.get(path)

    def children(self, folder: str) -> list[tuple[str, str, bool]]:
        below = [p[len(folder) + 1 :] for p in self.table.tree if p.startswith(f"{folder}/")]
        names = {p.split("/")[0]: "/" in p for p in below}
        return [(name, "", folder) for name, folder in sorted(names.items())]

    def load(self, prefixes: list[str]) -> list[tuple[str, bytes]]:
        return [
            (p, d) for p, d in sorted(self.table.tree.items()) if any(p.startswith(f"{f}/") for f in prefixes)
        ]

    def tip(self) -> str:
        return ""


def view(table: Table) -> Any:
    return SimpleNamespace(state=table.state, ledger=Archive(table), layout=Layout(Path("/box")))
