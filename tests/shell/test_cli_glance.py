"""hubctl status and agent list: what agents do, how they are, and why somebody was not started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.answering import Answering, answering
from tests.shell.commands import Box, make


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make(tmp_path / "box")
    words = ("--force", "--directory", str(tmp_path), "--description", "x", "--", "true")
    box.ok("agent", "add", "backend", *words)
    return box


@pytest.fixture
def hub(box: Box) -> Iterator[Answering]:
    with answering(box.root) as hub:
        yield hub


def begun(box: Box, hub: Answering, quiet: float = 0.0) -> tuple[str, str]:
    """A run that is up, and what it is on."""
    item = str(box.json("do", "backend", "Fix it")["id"]) + ".r1.a1"
    run = str(box.json("start", "backend", "--wait", "0")["id"])
    hub.runs[run] = {"up": True, "pid": 4711, "quiet": quiet, "bytes": 0, "stuck": quiet >= 600}
    hub.facts |= {"states": {"backend": "active", "tester": "error"}, "cost": {"backend": 1.5, "lead": 0.002}}
    return run, item


def row(said: str, name: str, column: str = "state") -> str:
    """The line about somebody or something, in the table that has this column."""
    lines = said.splitlines()
    heads = {"state": "agent ", "on": "run "}
    start = next(n for n, line in enumerate(lines) if line.startswith(heads[column]))
    return next(line for line in lines[start:] if line.startswith(f"{name} "))


def test_status_shows_who_works_on_what_and_what_it_cost(box: Box, hub: Answering) -> None:
    run, item = begun(box, hub)
    said = box.ok("status")
    words = row(said, "backend").split()
    assert (words[:5], words[-1]) == (["backend", "active", "1", "0", "1"], "$1.50")
    going = row(said, run, "on").split()
    assert (going[:3], going[-1]) == ([run, "backend", item], "0s")
    assert row(said, "tester").split()[:2] == ["tester", "error"]
    assert row(said, "lead").endswith("$0.0020")
    assert row(said, "operator").split()[1:3] == ["a", "person"]


def test_a_run_that_says_nothing_is_shown_as_stuck(box: Box, hub: Answering) -> None:
    run, _ = begun(box, hub, quiet=660)
    said = box.ok("status")
    assert row(said, "backend").split()[1] == "stuck"
    assert row(said, run, "on").endswith("11m, stuck")
    assert "quiet for 11m, stuck" in " ".join(box.ok("agent", "show", "backend").split())
    hub.runs[run] |= {"quiet": 90.0, "stuck": False}
    said = box.ok("status")
    assert row(said, "backend").split()[1] == "active"
    assert row(said, run, "on").endswith("1m")
    hub.runs[run] |= {"up": False}
    assert row(box.ok("status"), run, "on").endswith("starting")


def test_what_was_not_started_says_why_and_what_to_do(box: Box, hub: Answering) -> None:
    hub.facts["held"] = [
        {
            "agent": "backend", "on": ["fix.r1.a1", "fix.r1.a2"], "code": "crash-loop",
            "message": "it failed 3 times in a row", "hint": "`hubctl start backend` tries again",
        },
        {"agent": "tester", "on": [], "code": "paused", "message": "tester is paused", "hint": ""},
    ]  # fmt: skip
    lines = box.ok("status").splitlines()
    assert "backend was not started for fix.r1.a1, fix.r1.a2: it failed 3 times in a row" in lines
    assert "hint: `hubctl start backend` tries again" in lines
    assert "tester was not started: tester is paused" in lines
    shown = box.ok("agent", "show", "backend")
    assert "it failed 3 times in a row" in shown
    assert "tester is paused" not in shown
    assert [h["code"] for h in box.json("status")["held"]] == ["crash-loop", "paused"]


def test_without_hubd_a_run_of_the_ledger_is_not_said_to_run(box: Box) -> None:
    with answering(box.root) as hub:
        run, _ = begun(box, hub)
    for words in ("status", "agent list", "agent show backend"):
        said = " ".join(box.ok(*words.split()).split())
        assert f"hubd is not running, and so is none of {run}: `hubctl up` settles" in said, words
    assert row(box.ok("status"), "backend").split()[1] == "inactive"
    assert row(box.ok("agent", "list"), "backend").split()[1] == "inactive"


def test_the_tables_fit_eighty_columns_whatever_goes_on(box: Box, hub: Answering) -> None:
    _, item = begun(box, hub, quiet=10_000)
    box.ok("pause", "backend")
    hub.facts["held"] = [
        {"agent": "backend", "on": [item] * 9, "code": "x", "message": "m " * 60, "hint": "h " * 60}
    ]
    for words in ("status", "agent list", "agent show backend"):
        said = [line for line in box.ok(*words.split()).splitlines() if str(box.root.parent) not in line]
        assert max(map(len, said)) <= 80, (words, max(said, key=len))
    assert "backend (paused)" in box.ok("status")


def test_an_agent_is_shown_with_its_health(box: Box, tmp_path: Path) -> None:
    told = box.json("agent", "show", "backend")
    checks = {c["name"]: c for c in told["health"]}
    assert checks["directory"] == {"name": "directory", "ok": True, "said": str(tmp_path), "hint": ""}
    assert checks["client"]["ok"]
    words = ("--force", "--directory", str(tmp_path), "--description", "x", "--", "no-such-program")
    box.ok("agent", "add", "backend", *words)
    said = box.ok("agent", "show", "backend").splitlines()
    at = next(n for n, line in enumerate(said) if line.startswith("lack"))
    assert "`no-such-program` is not in the PATH" in said[at]
    assert said[at + 1].startswith("hint: ")
