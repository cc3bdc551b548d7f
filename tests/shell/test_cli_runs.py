"""hubctl runs and stats: which runs there were, what led to which, how they went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.answering import Answering, answering
from tests.shell.commands import Box, make


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make(tmp_path / "box")
    for name in ("backend", "tester"):
        words = ("--force", "--directory", str(tmp_path), "--timeout", "10m", "--description", "x")
        box.ok("agent", "add", name, *words, "--", "true")
    return box


@pytest.fixture
def hub(box: Box) -> Iterator[Answering]:
    with answering(box.root) as hub:
        yield hub


def run(box: Box, hub: Answering, agent: str = "backend", outcome: str = "done", **result: str) -> str:
    """A run that was started for a message, and ended."""
    id_ = begin(box, agent)
    assert hub.end(id_, outcome, **result).ok
    return id_


def begin(box: Box, agent: str = "backend") -> str:
    sent = box.json("send", "--to", agent, "--subject", "Hello")["id"]
    return str(box.json("start", agent, "--for", sent, "--wait", "0")["id"])


def led_to(box: Box, hub: Answering) -> tuple[str, str, str]:
    """A run, and two that it led to by the tasks that were written in it."""
    above = begin(box)
    found = [above]
    for title in ("One", "Two"):
        words = ("--assign", "tester", "Do it")
        task = box.json("task", "new", "--title", title, *words, who="backend")["id"]
        box.ok("approve", f"{task}.r1")
        id_ = str(box.json("start", "tester", "--for", f"{task}.r1.a1", "--wait", "0")["id"])
        assert hub.end(id_, "failed", exit="1").ok
        found.append(id_)
    return found[0], found[1], found[2]


def test_runs_are_listed_newest_first_those_that_go_on_too(box: Box, hub: Answering) -> None:
    first = run(box, hub, seconds="61", cost_usd="0.25")
    second = run(box, hub, "tester", "failed")
    third = begin(box)
    told = box.json("runs")["runs"]
    assert {r["id"] for r in told} == {first, second, third}
    by_id = {r["id"]: r for r in told}
    assert (by_id[third]["state"], by_id[first]["outcome"]) == ("started", "done")
    lines = {line.split()[0]: line for line in box.ok("runs").splitlines()}
    assert lines[first].split()[1:3] == ["backend", "done"]
    assert " 1m " in lines[first]
    assert " $0.25 " in lines[first]
    assert lines[third].split()[1:3] == ["backend", "started"]
    assert {r["id"] for r in box.json("runs", "--agent", "tester")["runs"]} == {second}
    assert len(box.json("runs", "--limit", "2")["runs"]) == 2


def test_runs_are_found_by_the_task_they_were_for(box: Box, hub: Answering) -> None:
    run(box, hub)
    task = str(box.json("do", "backend", "Fix it")["id"])
    id_ = str(box.json("start", "backend", "--for", f"{task}.r1.a1", "--wait", "0")["id"])
    assert [r["id"] for r in box.json("runs", "--task", task[:-1])["runs"]] == [id_]
    assert hub.end(id_).ok
    assert [r["id"] for r in box.json("runs", "--task", task)["runs"]] == [id_]
    assert box.json("runs", "--task", "nothing", code=1)["code"] == "unknown-id"


def test_a_tree_has_each_run_below_the_one_that_led_to_it(box: Box, hub: Answering) -> None:
    above, one, two = led_to(box, hub)
    alone = begin(box, "tester")
    lines = [line.split("  ")[0] for line in box.ok("runs", "--tree").splitlines()[1:]]
    at = lines.index(above)
    assert set(lines[at + 1 : at + 3]) == {f"└ {one}", f"└ {two}"}
    assert alone in lines
    tops = {node["id"]: node for node in box.json("runs", "--tree")["tree"]}
    assert {child["id"] for child in tops[above]["children"]} == {one, two}


def test_nothing_has_run_yet(box: Box) -> None:
    assert box.ok("runs") == "nobody has run yet\n"
    assert box.ok("stats") == "no run has ended in 7 days\n"
    assert box.json("logs", "backend", code=1)["message"] == "backend has not run yet"


@pytest.mark.parametrize("words", ["runs --prompt", "runs x --prompt --output"])
def test_one_thing_of_one_run_is_shown_at_once(box: Box, words: str) -> None:
    assert box.json(*words.split(), code=2)["code"] == "usage"
    assert box.json("runs", "run-nothing", code=1)["code"] == "unknown-id"


def test_what_is_no_run_is_not_shown_as_one(box: Box) -> None:
    task = box.task()
    assert box.json("runs", task, code=1)["code"] in ("wrong-kind", "unknown-id")


def test_the_newest_ended_run_of_an_agent_is_the_one_that_is_meant(box: Box, hub: Answering) -> None:
    run(box, hub)
    last = run(box, hub)
    (box.root / ".git/hub/runs" / last).mkdir(parents=True)
    (box.root / ".git/hub/runs" / last / "stdout.log").write_text("the last\n")
    assert box.ok("logs", "backend") == "the last\n"


# stats


def test_stats_tell_how_runs_went(box: Box, hub: Answering) -> None:
    for seconds in ("10", "20", "30"):
        run(box, hub, seconds=seconds, cost_usd="0.10")
    run(box, hub, outcome="failed", seconds="5", exit="1")
    run(box, hub, "tester", seconds="120")
    told = box.json("stats", "--agent", "backend", "--days", "1")
    assert list(told["agents"]) == ["backend"]
    row = told["agents"]["backend"]
    assert (row["runs"], row["outcomes"], row["cost_usd"]) == (4, {"done": 3, "failed": 1}, 0.3)
    assert (row["median_seconds"], row["p90_seconds"], told["hints"]) == (15, 30, [])
    said = box.ok("stats").splitlines()
    assert said[1].split() == ["backend", "4", "15s", "30s", "$0.30", "done", "3,", "failed", "1"]
    assert said[2].split()[:4] == ["tester", "1", "2m", "2m"]
    assert "why backend failed: failed, exit 1 (1)" in said


def test_a_timeout_that_is_too_short_is_told(box: Box, hub: Answering) -> None:
    run(box, hub, outcome="timed_out", seconds="601")
    (hint,) = box.json("stats")["hints"]
    assert "one run of backend in ten takes 10m or longer, and its timeout is 10m" in hint
    assert "`timeout: 16m` in cards/backend.md" in hint
    assert "hint: one run of backend" in box.ok("stats")


def test_the_limit_of_the_mailbox_counts_where_a_card_names_none(box: Box, hub: Answering) -> None:
    words = ("--force", "--directory", str(box.root.parent), "--description", "x")
    box.ok("agent", "add", "tester", *words, "--", "true")
    run(box, hub, "tester", "timed_out", seconds="1801")  # run_timeout is 30m
    (hint,) = box.json("stats")["hints"]
    assert "its timeout is 30m" in hint


def test_runs_and_stats_fit_eighty_columns(box: Box, hub: Answering) -> None:
    led_to(box, hub)
    run(box, hub, "tester", "no_handoff", seconds="100000", denied="Bash")
    for words in ("runs", "runs --tree", "stats"):
        assert max(map(len, box.ok(*words.split()).splitlines())) <= 80, words
