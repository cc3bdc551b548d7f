"""hubctl start, stop, pause, resume: asked of a real hub; what becomes of the processes a test says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.hub import Hub
from tests.shell.answering import Answering, answering, ended
from tests.shell.commands import Box, make


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make(tmp_path / "box")
    for name in ("backend", "tester"):
        box.ok(
            "agent", "add", name, "--force", "--directory", str(tmp_path), "--description", "x", "--", "true"
        )
    return box


@pytest.fixture
def hub(box: Box) -> Iterator[Answering]:
    with answering(box.root) as hub:
        yield hub


def work(box: Box, agent: str = "backend") -> str:
    """An assignment that needs an agent."""
    return str(box.json("do", agent, "Fix it")["id"]) + ".r1.a1"


def comes_up(hub: Answering) -> None:
    """Every run is up as soon as it is asked for."""

    def see(real: Hub) -> None:
        for run in real.state.runs():
            hub.runs.setdefault(run.id, {"up": True, "pid": 4711, "quiet": 0.0, "bytes": 0, "stuck": False})

    hub.on_answer = see


def ends(hub: Answering, outcome: str, **result: str) -> None:
    """Every run ends at once."""

    def see(real: Hub) -> None:
        for run in real.state.runs():
            ended(real, run.id, outcome, **result)

    hub.on_answer = see


# without hubd


@pytest.mark.parametrize("words", ["start backend", "stop backend", "stop --all", "agent test backend"])
def test_without_hubd_nothing_is_sent_and_the_hint_starts_it(box: Box, words: str) -> None:
    work(box)
    told = box.json(*words.split(), code=3)
    assert told["code"] == "unreachable"
    assert "hubd is not running" in told["message"]
    assert "hubctl up" in told["hint"]
    assert not list((box.root / "agents/operator/outbox").iterdir())
    assert "run" not in box.json("status")["counts"]


# starting


def test_start_waits_until_the_run_is_up(box: Box, hub: Answering) -> None:
    item = work(box)
    comes_up(hub)
    told = box.json("start", "backend")
    assert (told["kind"], told["agent"], told["up"], told["state"]) == ("run", "backend", True, "started")
    (run,) = hub.live()
    assert (run.id, run.text("from"), run.texts("on")) == (told["id"], "operator", (item,))


def test_start_names_what_it_is_for(box: Box, hub: Answering) -> None:
    work(box)
    other = work(box)
    comes_up(hub)
    said = box.ok("start", "backend", "--for", other)
    (run,) = hub.live()
    assert said == f"{run.id}: backend is up, on {other}\n"


def test_a_run_that_failed_to_begin_is_told_with_its_reason(box: Box, hub: Answering) -> None:
    work(box)
    ends(hub, "not_started", note="there is no program `true`\nreally")
    told = box.json("start", "backend", code=1)
    assert told["code"] == "not-started"
    assert "there is no program `true`" in told["message"]
    assert "really" not in told["message"]
    assert f"hubctl logs {told['id']}" in told["hint"]


def test_the_last_line_of_a_traceback_is_the_reason(box: Box, hub: Answering) -> None:
    work(box)
    ends(hub, "failed", note="Traceback (most recent call last):\n  File x\nKeyError: 'a'\n\nwhat it said")
    assert box.json("start", "backend", code=1)["message"].endswith("ended: failed: KeyError: 'a'")


def test_a_run_that_was_over_at_once_and_well_is_no_error(box: Box, hub: Answering) -> None:
    box.ok("send", "--to", "backend", "--subject", "Hello")
    ends(hub, "done")
    told = box.json("start", "backend")
    assert (told["state"], told["outcome"], told["up"]) == ("ended", "done", False)


def test_a_run_that_takes_longer_is_left_to_come_up(box: Box, hub: Answering) -> None:
    work(box)
    said = box.ok("start", "backend", "--wait", "0.2")
    (run,) = hub.live()
    assert said.startswith(f"{run.id}: started, and not up yet\n")
    assert f"hubctl runs {run.id}" in said


@pytest.mark.parametrize(
    ("words", "who", "code"),
    [
        (("start", "operator"), "", "wrong-kind"),
        (("start", "nobody"), "", "unknown-agent"),
        (("start", "backend"), "lead", "not-yours"),
        (("start", "backend", "--for", "nothing"), "", "unknown-id"),
        (("start", "backend"), "", "nothing-to-do"),
        (("start", "lead"), "", "cannot-start"),
    ],
)
def test_who_cannot_be_started_is_told_so(
    box: Box, hub: Answering, words: tuple[str, ...], who: str, code: str
) -> None:
    told = box.json(*words, who=who, code=1)
    assert told["code"] == code
    assert told["hint"]
    assert hub.live() == []


# stopping


def started(box: Box, hub: Answering, *agents: str) -> list[str]:
    comes_up(hub)
    found = []
    for agent in agents:
        work(box, agent)
        found.append(str(box.json("start", agent)["id"]))
    return found


def stops(hub: Answering) -> list[str]:
    """Every run that is to be stopped ends; returns the order in which they were told to."""
    order: list[str] = []

    def see(real: Hub) -> None:
        for run in real.state.runs():
            if run.state == "stopping" and run.id not in order:
                order.append(run.id)
                ended(real, run.id, "stopped")

    hub.on_answer = see
    return order


def test_stop_ends_the_runs_of_an_agent_and_tells_how(box: Box, hub: Answering) -> None:
    one, _other = started(box, hub, "backend", "tester")
    stops(hub)
    told = box.json("stop", "backend", "--note", "wrong branch")
    assert [(r["id"], r["agent"], r["state"], r["outcome"]) for r in told["runs"]] == [
        (one, "backend", "ended", "stopped")
    ]
    assert [run.text("agent") for run in hub.live()] == ["tester"]


def test_stop_names_a_run_by_the_beginning_of_its_id(box: Box, hub: Answering) -> None:
    (run,) = started(box, hub, "backend")
    stops(hub)
    assert box.ok("stop", run[:-1]) == f"{run}: backend has ended: stopped\n"
    assert box.json("stop", run, code=1)["code"] == "wrong-state"


def test_stop_all_stops_the_orchestrator_last(box: Box, hub: Answering) -> None:
    settings = (box.root / "hub.yaml").read_text().splitlines()
    kept = [line for line in settings if not line.startswith("orchestrator:")]
    (box.root / "hub.yaml").write_text("\n".join((*kept, "orchestrator: backend", "")))
    hub.do(lambda real: real.look(5.0))
    assert box.json("agent", "list")["orchestrator"] == "backend"
    one, other = started(box, hub, "backend", "tester")
    order = stops(hub)
    told = box.json("stop", "--all")
    assert order == [other, one]
    assert {r["outcome"] for r in told["runs"]} == {"stopped"}
    assert box.ok("stop", "--all") == "nobody runs\n"
    assert box.ok("stop", "backend") == "backend does not run\n"


def test_a_run_that_takes_its_time_is_told_as_stopping(box: Box, hub: Answering) -> None:
    (run,) = started(box, hub, "backend")
    said = box.ok("stop", run, "--wait", "0.1")
    assert said.startswith(f"{run}: backend is stopping")
    again = box.json("stop", "backend", "--wait", "0.1")  # asked for already: waited for, not asked again
    assert again["runs"][0]["state"] == "stopping"


def test_what_a_stopped_run_led_to_is_not_asked_to_stop_twice(box: Box, hub: Answering) -> None:
    (above,) = started(box, hub, "backend")
    task = box.json("task", "new", "--title", "x", "--assign", "tester", "Do it", who="backend")["id"]
    box.ok("approve", f"{task}.r1")
    below = str(box.json("start", "tester")["id"])
    rows = {r["id"]: r for a in box.json("agent", "list")["agents"] for r in a["runs"]}
    assert rows[below]["parent"] == above
    stops(hub)
    told = box.json("stop", "--all")
    assert {(r["id"], r["outcome"]) for r in told["runs"]} == {(above, "stopped"), (below, "stopped")}
    assert [d for d in box.json("inbox")["documents"] if d["kind"] == "bounce"] == []


def test_one_of_name_and_all_must_be_said(box: Box) -> None:
    assert box.json("stop", code=2)["code"] == "usage"
    assert box.json("stop", "backend", "--all", code=2)["code"] == "usage"


# pausing


def test_pause_says_what_goes_on_and_what_ends_it(box: Box, hub: Answering) -> None:
    (run,) = started(box, hub, "backend")
    said = box.ok("pause", "backend")
    assert said.splitlines() == ["backend: paused", f"{run} (backend) goes on; `hubctl stop backend` ends it"]
    assert box.json("pause")["runs"] == [run]
    assert [r.id for r in hub.live()] == [run]
    assert box.ok("resume", "backend") == "backend: resumed\n"
