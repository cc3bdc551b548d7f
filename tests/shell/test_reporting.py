"""What the daemon says while it works."""

from __future__ import annotations

import io
import json

from hubd.core.effect import Proposal, Refusal, Step, Transition
from hubd.core.model import Kind
from hubd.reporting import Report


def step(refusal: Refusal | None = None, path: str = "agents/ada/outbox/x.md") -> Step:
    moved = Transition("t-1", Kind.TASK, "", "draft", "submit", "ada")
    return Step(7, moved, (), (), Proposal("ada", "outbox", path, b""), refusal, "b-1" if refusal else "")


def test_a_step_is_a_line_for_people() -> None:
    out = io.StringIO()
    Report("text", out).step(step(), "c0ffee")
    assert out.getvalue().split(" ", 1)[1] == "t-1: new -> draft (submit by ada)\n"


def test_a_step_is_an_object_for_machines() -> None:
    out = io.StringIO()
    Report("json", out).step(step(Refusal("no-header", "there is none")), "c0ffee")
    event = json.loads(out.getvalue())
    assert event["level"] == "warning"
    assert (event["seq"], event["code"]) == (7, "no-header")
    assert (event["bounce"], event["commit"]) == ("b-1", "c0ffee")


def test_a_file_name_cannot_write_lines_or_colours_into_the_log() -> None:
    out = io.StringIO()
    name = "agents/ada/outbox/x\n12:00:00 ready\x1b[31m\udce9.md"
    Report("text", out).step(step(Refusal("bad-name", "no"), name), "c0ffee")
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
    out.getvalue().encode()
