"""Imports go one way, and each library has one home."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.house.sources import modules

LAYERS = {
    "core": 0,
    "clock": 1, "launch": 1, "layout": 1, "lease": 1, "ledger": 1, "project": 1, "spool": 1, "verify": 1,
    "watch": 1,
    "accounting": 2, "acting": 2, "agent": 2, "checkout": 2, "client": 2, "commits": 2, "connecting": 2,
    "crashing": 2, "daemon": 2, "following": 2, "founding": 2, "hub": 2, "jobs": 2, "judging": 2,
    "loading": 2, "logfile": 2, "looking": 2, "mcp_server": 2, "notices": 2, "notifying": 2, "outcome": 2,
    "query": 2, "recovery": 2, "reporting": 2, "runs": 2, "server": 2, "sight": 2, "supervised": 2,
    "tidying": 2, "timing": 2, "tokens": 2,
    "cli": 3, "demo": 3, "generate": 3,
}  # fmt: skip
"""Every part of hubd, by how high it stands: pure core, boundary, the hub, front ends. A part may use what
stands below it, and its equals; boundary parts are strangers to one another. A new part must have a layer."""
BOUNDARY = 1

HOMES = {
    "click": ("hubd.cli",),
    "filelock": ("hubd.lease",),
    "frontmatter": ("hubd.core.document",),
    "git": ("hubd.ledger",),
    "mcp": ("hubd.mcp_server",),
    "starlette": ("hubd.mcp_server",),
    "uvicorn": ("hubd.mcp_server",),
    "watchfiles": ("hubd.watch",),
    "yaml": ("hubd.core.document", "hubd.core.grammar"),
}

IMPURE = frozenset({
    "asyncio", "concurrent", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "uuid",
})  # fmt: skip
"""What the core must not import: everything that looks at the world outside its arguments."""


def part(name: str) -> str:
    """Return the part of hubd that a module belongs to: `hubd.core.model` belongs to `core`."""
    return name.split(".")[1] if name.startswith("hubd.") else ""


def below(name: str, home: str) -> bool:
    return name == home or name.startswith(f"{home}.")


def imports(folder: str = "hubd") -> Iterator[tuple[str, str, str]]:
    """Yield (who imports, what, where it stands) for everything below a folder."""
    for module in modules(folder):
        for name, line in module.imports():
            yield module.name, name, f"{module.path}:{line}: {name}"


def test_every_part_of_hubd_has_a_layer() -> None:
    parts = {part(module.name) for module in modules("hubd")} - {""}
    assert parts <= set(LAYERS), f"give {parts - set(LAYERS)} a layer in {__name__}"


def test_imports_go_downwards_only() -> None:
    strays = []
    for who, what, where in imports():
        mine, other = part(who), part(what)
        if mine not in LAYERS or other not in LAYERS or mine == other:
            continue
        strangers = LAYERS[mine] == LAYERS[other] == BOUNDARY
        if strangers or LAYERS[other] > LAYERS[mine]:
            strays.append(where)
    assert not strays


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    homes = HOMES[library]
    strays = [
        where
        for who, what, where in imports()
        if below(what, library) and not any(below(who, home) for home in homes)
    ]
    assert not strays, f"{library} lives in {' and '.join(homes)} alone"


def test_the_core_imports_nothing_that_looks_outside() -> None:
    assert not [where for _, what, where in imports("hubd/core") if what.split(".")[0] in IMPURE]


def test_verify_imports_nothing_of_hubd() -> None:
    strays = [
        where
        for who, what, where in imports()
        if part(who) == "verify" and below(what, "hubd") and part(what) != "verify"
    ]
    assert not strays


def test_one_module_starts_processes_in_peoples_projects() -> None:
    starting = ("multiprocessing", "pty", "subprocess")
    starters = {who for who, what, _ in imports("hubd/project") if what.split(".")[0] in starting}
    assert starters == {"hubd.project.running"}


def test_the_actors_of_the_demo_need_the_standard_library_alone() -> None:
    actors = ("hubd.demo.agent", "hubd.demo.person")
    strays = [
        where
        for who, what, where in imports("hubd/demo")
        if who in actors and what.split(".")[0] not in sys.stdlib_module_names
    ]
    assert not strays
