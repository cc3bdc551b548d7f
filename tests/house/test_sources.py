"""What every source file keeps to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.sources import ROOT, modules

LONGEST = 400
EVERYTHING = modules("hubd", "tests", *(["bench"] if (ROOT / "bench").is_dir() else []))
FORBIDDEN = frozenset({"manager", "handler", "helper", "helpers", "util", "utils"})
WORLD = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})
CLOCKS = frozenset({"now", "today", "utcnow"})


def words(name: str) -> set[str]:
    """Split a name as people read it: `HubYamlReader` and `hub_yaml_reader` are the same three words."""
    return set(re.findall(r"[a-z]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()))


def calls(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield every call as (what it is called on, what is called, line)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield "", node.func.id, node.lineno
            elif isinstance(node.func, ast.Attribute):
                yield ast.unparse(node.func.value), node.func.attr, node.lineno


def test_every_module_says_what_it_is_for() -> None:
    assert not [module.path for module in EVERYTHING if not ast.get_docstring(module.tree)]


def test_every_module_is_short_enough_to_be_read() -> None:
    assert not [f"{module.path}: {module.lines} lines" for module in EVERYTHING if module.lines > LONGEST]


def test_no_name_hides_what_a_thing_does() -> None:
    strays = [module.path for module in EVERYTHING if FORBIDDEN & words(module.name)]
    for module in EVERYTHING:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                found = FORBIDDEN & words(node.name)
                # A class that a library asks for is called as the library calls it.
                asked_for = any(found <= words(ast.unparse(base)) for base in node.bases)
                if found and not asked_for:
                    strays.append(f"{module.path}:{node.lineno}: {node.name}")
    assert not strays


def swallowing(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that let an error of any kind pass in silence, or catch Ctrl-C with a bare except."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(step, (ast.Pass, ast.Continue)) for step in node.body)
            if node.type is None or (silent and any_kind(node.type)):
                yield node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            yield from (argument.lineno for argument in node.args if any_kind(argument))


def any_kind(caught: ast.expr) -> bool:
    return bool({"Exception", "BaseException"} & set(re.findall(r"\w+", ast.unparse(caught))))


def test_no_error_is_swallowed() -> None:
    assert not [f"{module.path}:{line}" for module in EVERYTHING for line in swallowing(module.tree)]


def test_the_rule_about_swallowed_errors_sees_them() -> None:
    bad = ("try: f()\nexcept: g()", "try: f()\nexcept Exception: pass", "with suppress(Exception): f()")
    fine = ("try: f()\nexcept OSError: pass", "try: f()\nexcept Exception: g()", "with suppress(KeyError): f")
    assert all(list(swallowing(ast.parse(text))) for text in bad)
    assert not any(list(swallowing(ast.parse(text))) for text in fine)


def test_the_core_reads_no_clock_and_touches_no_file() -> None:
    strays = [
        f"{module.path}:{line}: {on}.{name}()"
        for module in modules("hubd/core")
        for on, name, line in calls(module.tree)
        if (not on and name in WORLD) or (on.rpartition(".")[2] in ("datetime", "date") and name in CLOCKS)
    ]
    assert not strays


def test_no_core_test_waits() -> None:
    strays = [
        f"{module.path}:{line}"
        for module in modules("tests/core")
        for on, name, line in calls(module.tree)
        if name == "sleep" and on in ("", "time", "asyncio")
    ]
    assert not strays


def test_the_independent_checker_is_short() -> None:
    lines = [module.lines for module in modules("hubd") if module.name.split(".")[1:2] == ["verify"]]
    assert lines, "hubd.verify is missing"
    assert sum(lines) < LONGEST


def test_the_contract_and_the_templates_hold_no_code() -> None:
    # A package called mailbox would hide, or be hidden by, the standard library's module of that name.
    for folder in ("mailbox", "templates"):
        assert not list((ROOT / folder).rglob("*.py*")), f"{folder}/ must hold no Python"


def test_the_links_in_the_package_lead_to_the_folders_they_stand_for() -> None:
    for link, folder in (("contract", "mailbox"), ("templates", "templates")):
        path = ROOT / "hubd" / link
        assert path.is_dir()
        # A source archive cannot hold a link to a folder; there it is a copy.
        assert path.resolve() == (ROOT / folder).resolve() or not path.is_symlink()
