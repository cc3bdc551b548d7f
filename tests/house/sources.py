"""The project's own sources, as the house rules look at them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("hubd/contract/", "hubd/templates/")


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: where it is, what it is called, what it says."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Return the dotted name: `hubd.core.model`; a package is called like its folder."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def imports(self) -> Iterator[tuple[str, int]]:
        """Yield every imported module by its full dotted name, with its line; also those inside functions.

        `from hubd.core import place` yields `hubd.core.place`, where that is a module, and `hubd.core`.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, node.lineno
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                below = [f"{base}.{alias.name}" for alias in node.names if _is_module(f"{base}.{alias.name}")]
                for name in below or [base]:
                    yield name, node.lineno

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.endswith("__init__.py") else self.name.split(".")[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Read every Python file below the given folders, in order; the linked folders are not walked."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(LINKED) and "/__pycache__/" not in name:
                text = path.read_text(encoding="utf-8")
                found.append(Module(name, text, ast.parse(text, name)))
    return tuple(found)
