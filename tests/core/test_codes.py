"""Codes: a closed list; each that is used stands in it, and each that stands in it is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from hubd.core.codes import CODES, SHELL

CORE = Path(__file__).parents[2] / "hubd" / "core"


def used() -> Iterator[str]:
    """Yield the first argument of everything that refuses, and what is given to a variable named `code`."""
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                found = node.args[:1] if name in ("Refusal", "refuse", "_refuse") else []
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
                found = [node.value]
            for value in found:
                yield from (
                    n.value
                    for n in ast.walk(value)
                    if isinstance(n, ast.Constant) and isinstance(n.value, str)
                )


def test_the_list_of_codes_is_closed() -> None:
    codes = {code for code in used() if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)}
    assert codes == set(CODES) - SHELL


def test_each_code_says_what_it_means_and_what_to_do() -> None:
    for name, code in CODES.items():
        assert code.about.endswith("."), name
        assert code.hint, name
        assert not code.hint.endswith("."), name
        assert not code.hint[0].isupper(), name
