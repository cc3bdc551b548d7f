"""hubctl without a daemon: plans, decisions, work, mail, leases; each command takes the lock for one step."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.shell.commands import Box, make


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "box")


# the whole story


def test_two_rounds_are_played_by_commands_alone(box: Box) -> None:
    task = str(
        box.json("task", "new", "--title", "Fix the login", "--owner", "lead", "--body", "It breaks.")["id"]
    )
    plan = ("--assign", "backend", "Fix it", "--assign", "any:review", "Review it", "--after", "1")
    made = box.json("round", "submit", task, *plan, "--body", "Mind the tests.", who="lead")
    assert (made["id"], made["kind"], made["state"]) == (f"{task}.r1", "round", "awaiting_approval")
    assert box.json("approve", "go ahead")["state"] == "dispatched"

    first = box.json("claim", "fix", who="backend")
    assert first["id"] == f"{task}.r1.a1"
    assert isinstance(first["lease"], int)
    box.ok("progress", task, "half way", who="backend")
    done = box.json(
        "complete", task, "--summary", "Redirects", "--branch", "fix/login", "--commit", "1f2e3d4",
        "--changed-file", "a.py", "--changed-file", "b.py", "--test", "pytest: 3 passed", "--risks", "none",
        "--next-steps", "none", who="backend",
    )  # fmt: skip
    assert (done["kind"], done["state"]) == ("handoff", "submitted")
    header = box.json("show", done["id"])["header"]
    assert header["changed_files"] == ["a.py", "b.py"]
    assert header["lease"] == str(first["lease"])

    box.ok("claim", task, who="tester")
    box.ok("complete", task, "--summary", "Needs a test", "--outcome", "partial", who="tester")
    review = box.json("review", "--verdict", "changes_requested", "--note", "add a test", who="lead")
    assert review["state"] == "changes_requested"
    box.ok("round", "submit", task, "--assign", "backend", "Add a test", who="lead")
    box.ok("approve")
    box.ok("claim", task, who="backend")
    box.ok("complete", task, "--summary", "Added", who="backend")
    assert box.json("review", "--verdict", "approved", who="lead")["state"] == "completed"
    assert box.json("show", task)["state"] == "completed"
    rows = box.json("log", task, "-n", "99")["transitions"]
    assert ("awaiting_review", "changes_requested") in {(r["from"], r["to"]) for r in rows}


def test_do_makes_task_plan_and_approval_in_one_go(box: Box) -> None:
    told = box.json("do", "backend", "Fix the login")
    assert (told["kind"], told["state"]) == ("task", "dispatched")
    (waits,) = box.json("inbox", "backend")["documents"]
    assert (waits["id"], waits["state"], waits["title"]) == (
        f"{told['id']}.r1.a1",
        "pending",
        "Fix the login",
    )
    assert "assignment for backend" in box.ok("do", "backend", "Another")


# deciding


def test_approve_takes_the_only_round_that_waits_and_lists_several(box: Box) -> None:
    one = box.task("backend: Fix it")
    two = box.task("backend: Build it", title="Build the thing")
    told = box.json("approve", code=2)
    assert told["code"] == "ambiguous-id"
    assert {c["id"] for c in told["candidates"]} == {f"{one}.r1", f"{two}.r1"}
    listed = box("approve").stderr
    assert f"{one}.r1" in listed
    assert f"{two}.r1" in listed
    assert box.json("approve", f"{one}.r1", "good")["state"] == "dispatched"
    assert box.json("approve", "looks good to me")["id"] == f"{two}.r1"
    assert box.json("show", f"{two}.r1")["header"]["note"] == "looks good to me"


def test_approve_shows_the_plan_that_it_binds(box: Box) -> None:
    task = box.task("backend: Fix it")
    said = box.ok("approve", task)
    assert "backend" in said
    assert "Fix it" in said
    assert box.json("show", f"{task}.r1")["header"]["plan"] in said


def test_a_plan_that_changed_is_not_approved(box: Box) -> None:
    box.task("backend: Fix it")
    assert box.json("approve", "--plan", "0123456789abcdef", code=1)["code"] == "plan-changed"


def test_reject_and_recall_give_the_task_back(box: Box) -> None:
    task = box.task("backend: Fix it")
    assert box.json("reject", "split it")["state"] == "rejected"
    box.ok("round", "submit", task, "--assign", "backend", "Part one", who="lead")
    box.ok("approve")
    assert box.json("recall", f"{task}.r2", "wrong branch")["state"] == "recalled"
    assert box.json("show", task)["state"] == "draft"


def test_an_ended_assignment_is_retried_reassigned_cancelled(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    assert box.json("fail", task, "no database", who="backend")["state"] == "failed"
    assert box.json("retry", task)["state"] == "pending"
    assert box.json("reassign", task, "--to", "tester")["state"] == "pending"
    assert [d["id"] for d in box.json("inbox", "tester")["documents"]] == [f"{task}.r1.a1"]
    assert box.json("cancel", task, "done by hand")["state"] == "cancelled"
    assert box.json("task", "close", task)["state"] == "closed"


# working


def test_a_step_under_an_older_lease_is_refused(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    old = box.json("claim", task, who="backend")["lease"]
    box.ok("release", task, "not now", who="backend")
    new = box.json("claim", task, who="backend")["lease"]
    assert new > old
    assert box.json("progress", task, "--lease", str(old), who="backend", code=1)["code"] == "stale-lease"
    assert box.json("progress", task, who="backend")["ok"]
    assert box.json("complete", task, "--summary", "x", who="tester", code=1)["code"] == "not-yours"


def test_the_lease_of_a_wrapper_goes_before_the_one_that_stands(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    id_ = box.json("claim", task, who="backend")["id"]
    done = box("--json", "progress", id_, who="backend", HUB_ASSIGNMENT=id_, HUB_LEASE="1")
    assert json.loads(done.stdout)["code"] == "stale-lease"
    assert box("progress", id_, who="backend", HUB_ASSIGNMENT="another", HUB_LEASE="1").exit_code == 0


def test_a_command_held_under_a_claim_hands_off_by_itself(box: Box, tmp_path: Path) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    script = tmp_path / "work.sh"
    complete = f'exec {sys.executable} -m hubd.cli complete "$HUB_ASSIGNMENT" --summary Done'
    script.write_text(f'#!/bin/sh\necho "$HUB_AGENT $HUB_ASSIGNMENT"\n{complete}\n')
    done = box.process("claim", task, "--hold", "--", "sh", str(script), HUB_AGENT="backend")
    assert done.returncode == 0, done.stderr
    assert f"backend {task}.r1.a1" in done.stdout
    assert box.json("show", f"{task}.r1.a1")["state"] == "completed"


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("true", 1)])
def test_a_command_that_ends_without_a_handoff_gives_the_assignment_back(
    box: Box, script: str, code: int
) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    done = box.process("claim", task, "--hold", "--", "sh", "-c", script, HUB_AGENT="backend")
    assert done.returncode == code
    shown = box.json("show", f"{task}.r1.a1")
    assert (shown["state"], shown["header"].get("lease")) == ("pending", None)
    assert "the command ended" in shown["header"]["note"]


def test_a_command_that_cannot_be_run_is_told_and_the_assignment_is_given_back(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    done = box.process("claim", task, "--hold", "--", "/no/such/program", HUB_AGENT="backend")
    assert done.returncode == 127
    assert "cannot run /no/such/program" in done.stderr
    assert box.json("show", f"{task}.r1.a1")["state"] == "pending"


# mail


def test_mail_is_sent_replied_and_read(box: Box) -> None:
    sent = box.json(
        "send", "--to", "lead", "--to", "tester", "--subject", "Hello", "--priority", "high", "Text"
    )
    assert sent["kind"] == "message"
    (row,) = box.json("inbox", "lead")["documents"]
    reply = box.json("reply", row["id"], "Thanks", who="lead")
    header = box.json("show", reply["id"])["header"]
    assert (header["subject"], header["reply_to"], header["to"]) == ("Re: Hello", row["id"], "operator")
    assert box.json("ack", row["id"], who="lead")["state"] == "read"
    assert box.json("ack", "--all")["state"] == "read"
    assert box.json("ack", "--all")["documents"] == []


def test_a_text_comes_from_an_argument_a_file_or_standard_input(box: Box, tmp_path: Path) -> None:
    (tmp_path / "text.md").write_text("from a file\n")
    for number, args in enumerate(
        (("--body-file", str(tmp_path / "text.md")), ("-",), ("--body", "-"), ("--body-file", "-"))
    ):
        box.ok("send", "--to", "lead", "--subject", f"Number {number}", *args, stdin="from stdin\n")
    bodies = [box.json("show", d["id"])["body"] for d in box.json("inbox", "lead")["documents"]]
    assert sorted(bodies) == ["from a file\n", "from stdin\n", "from stdin\n", "from stdin\n"]
    missing = box("send", "--to", "lead", "--subject", "x", "--body-file", str(tmp_path / "no.md"))
    assert missing.exit_code == 2


def test_a_dedupe_key_delivers_once(box: Box) -> None:
    args = ("send", "--to", "lead", "--subject", "Hello", "--dedupe-key", "k1")
    one, two = box.json(*args, "Text"), box.json(*args, "Text")
    assert (one["id"], two["commit"]) == (two["id"], "")
    assert len(box.json("inbox", "lead")["documents"]) == 1
    assert box.json(*args, "Other", code=1)["code"] == "duplicate-message"


def test_a_question_is_answered_by_text_or_number(box: Box) -> None:
    for given, expected in (("2", "postgres"), ("sqlite", "sqlite"), ("neither", "neither")):
        asked = box.json("ask", "Which?", "--choices", "sqlite,postgres", "--no-wait", who="backend")
        assert (asked["kind"], asked["state"]) == ("question", "open")
        assert box.json("answer", asked["id"], given)["state"] == "answered"
        assert box.json("show", asked["id"])["header"]["answer"] == expected


def test_a_question_about_an_assignment_stops_it(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    box.ok("claim", task, who="backend")
    asked = box.json("ask", "Which?", "--assignment", task, "--no-wait", who="backend")
    assert box.json("show", f"{task}.r1.a1")["state"] == "input_required"
    assert box.json("reply", asked["id"], "x", code=1)["code"] == "wrong-kind"
    box.ok("answer", asked["id"], "this")
    assert box.json("show", f"{task}.r1.a1")["state"] == "in_progress"


# leases


def test_a_lease_is_acquired_shown_renewed_and_released(box: Box) -> None:
    held = box.json("lease", "acquire", "branch:main", "--ttl", "10m", "--path", "src/**", who="backend")
    assert held["lease"] > 0
    assert box.json("lease", "acquire", "branch:main", who="tester", code=1)["code"] == "lease-taken"
    assert (
        box.json("lease", "acquire", "other", "--path", "src/a.py", who="tester", code=1)["code"]
        == "lease-taken"
    )
    assert [e["key"] for e in box.json("lease", "list")["leases"]] == ["branch:main"]
    assert box.json("lease", "show", "branch:main")["globs"] == ["src/**"]
    assert (
        box.json("lease", "release", "branch:main", "--lease", "1", who="backend", code=1)["code"]
        == "stale-lease"
    )
    assert "in 29m" in box.ok("lease", "renew", "branch:main", "--ttl", "30m", who="backend")
    assert box.json("lease", "release", "branch:main", who="backend")["state"] == "released"
    assert box.ok("lease", "list") == "no lease is held\n"


def test_a_lease_held_for_a_command_is_given_back_at_its_end(box: Box) -> None:
    script = "import os; print(os.environ['HUB_LEASE'], os.environ['HUB_LEASE_KEY']); raise SystemExit(3)"
    done = box.process(
        "lease", "acquire", "k", "--hold", "--", sys.executable, "-c", script, HUB_AGENT="backend"
    )
    assert done.returncode == 3
    assert re.search(r"^\d+ k$", done.stdout, re.MULTILINE)
    assert box.json("lease", "list")["leases"] == []
