"""A real hubd that tells people: each command is a real process, and writes down what it is given."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.launching import Yard
from tests.e2e.processes import QUICK, ROUND, Hubd, hubd, until

pytestmark = pytest.mark.e2e

WRITE = """
import os, sys
with open(sys.argv[1], "a") as told:
    told.write(sys.stdin.read() + repr((sys.argv[2:], sorted(os.environ))) + "\\n")
"""


class Told:
    """What the command was given, call by call."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.file = yard.root.parent / "told"

    def settings(self, *words: str, remind: str = "4h") -> None:
        path = self.yard.root / "hub.yaml"
        text = path.read_text().replace("notify: []", f"notify: {json.dumps(words or self.words())}")
        aside = path.with_suffix(".tmp")
        aside.write_text(text.replace("remind: 4h", f"remind: {remind}"))
        aside.rename(path)

    def words(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", WRITE, str(self.file), "{for}", "{line}"]

    def all(self) -> list[dict[str, Any]]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [json.loads(line) for line in lines[0::2] if len(lines) % 2 == 0]

    def wait(self, count: int) -> list[dict[str, Any]]:
        return until(lambda: found if len(found := self.all()) >= count else None, f"{count} in {self.all()}")


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(Yard(tmp_path / "mail"))


def plan(yard: Yard) -> str:
    """Let an agent plan a task of its own: its round waits for the operator."""
    yard.drop("lead", "t.md", "---\nkind: task\ntitle: '--help: me'\nowner: lead\n---\n")
    task = yard.find("lead", "help-me-*.md").stem
    yard.drop("lead", "r.md", ROUND.format(task))
    return f"{task}.r1"


def test_people_are_told_once_with_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(yard := Yard(tmp_path / "mail", "lead", "backend"))
    monkeypatch.setenv("SECRET_KEY", "hidden")
    told.settings()
    with hubd(yard.root) as hub:
        round_ = plan(yard)
        (first,) = told.wait(1)
        assert (first["for"], first["id"], first["state"]) == ("operator", round_, "awaiting_approval")
        assert first["line"].startswith(f"operator: round {round_} is awaiting approval: plan 1 for: --help")
        assert (yard.root / first["path"]).read_text() == first["text"]
        assert first["again"] is False
        called = told.file.read_text().splitlines()[1]
        assert f"['operator', {first['line']!r}]" in called
        assert "'PATH'" in called
        assert "SECRET_KEY" not in called
        yard.send("operator", "News", "lead")
        assert [m["kind"] for m in told.wait(2)] == ["round", "message"]
        yard.send("backend", "Not for people", "lead")
        hub.rested()
    with hubd(yard.root):  # a restart does not begin anew
        yard.send("operator", "More news", "lead")
        assert [m["title"] for m in told.wait(3)][1:] == ["News", "More news"]


def test_what_waits_on_is_told_again(told: Told) -> None:
    told.settings(remind="1s")
    with hubd(told.yard.root):
        told.yard.send("operator", "News", "backend")
        assert [m["again"] for m in told.wait(3)[:3]] == [False, True, True]
        path = told.yard.find("operator", "m-*.md")
        told.yard.edit(path, "state: unread", "state: read")
        told.yard.wait("unread -> read")
        count = len(told.all())
        told.yard.send("operator", "Other news", "backend")
        assert {m["title"] for m in told.wait(count + 2)[count + 1 :]} == {"Other news"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("/nowhere/at-all",), "cannot be started"),
        ((sys.executable, "-c", "raise SystemExit('no network')"), "ended with 1: no network"),
    ],
)
def test_a_command_that_fails_is_in_the_log_once_and_stops_nothing(
    told: Told, words: tuple[str, ...], says: str
) -> None:
    told.settings(*words)
    with hubd(told.yard.root) as hub:
        told.yard.send("operator", "One", "backend")
        told.yard.send("operator", "Two", "backend")
        hub.says(says)
        until(lambda: len(json.loads(notified(told).read_text())) == 2, "both to be tried")
        assert hub.log().count("notify: ") == 1


def notified(told: Told) -> Path:
    return told.yard.root / ".git/hub/notified.json"


def test_a_command_that_never_ends_holds_up_nobody_and_goes_with_hubd(told: Told) -> None:
    pid = told.yard.root.parent / "pid"
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    told.settings(sys.executable, "-I", "-S", "-c", code, str(pid))
    hub = Hubd(told.yard.root, environment=QUICK).ready()
    told.yard.send("operator", "One", "backend")
    process = int(until(lambda: pid.exists() and pid.read_text(), "the command"))
    began = time.monotonic()
    assert hub.ask(do="ping")["ok"]
    assert time.monotonic() - began < 5
    assert hub.stop() == 0
    until(lambda: not os.path.exists(f"/proc/{process}"), "the command to be ended")
