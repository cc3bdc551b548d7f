"""hubctl without a daemon: each command takes the lock, does one step, and lets go."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from hubd.lease import HubLock
from tests.shell.commands import Box, make, run


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "box")


# answers


def test_an_accepted_answer_has_the_form_of_the_contract(box: Box) -> None:
    told = box.json("send", "--to", "lead", "--subject", "Hello", "Text")
    assert list(told) == ["schema", "ok", "id", "kind", "state", "path", "commit"]
    assert told["ok"] is True
    assert (box.root / told["path"]).read_text().endswith("Text\n")


def test_a_refused_answer_has_the_form_of_the_contract(box: Box) -> None:
    box.task("backend: Fix it")
    told = box.json("claim", "fix", who="backend", code=1)
    assert list(told)[:6] == ["schema", "ok", "code", "message", "hint", "bounce"]
    told = box.json("send", "--to", "nobody", "--subject", "Hello", code=1)
    assert list(told) == ["schema", "ok", "code", "message", "hint", "bounce"]
    assert (told["ok"], told["code"]) == (False, "unknown-recipient")
    assert box.json("show", told["bounce"])["kind"] == "bounce"


def test_an_error_is_one_line_what_and_one_line_what_to_do(box: Box) -> None:
    done = box("send", "--to", "nobody", "--subject", "Hello")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert re.fullmatch(r"hubctl: .+\nhint: .+\nbounce: b-\w+ \(`hubctl show b-\w+`\)\n", done.stderr)


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (("show", "nothing-like-it"), 1, "unknown-id"),
        (("approve",), 1, "nothing-waits"),
        (("task", "new"), 2, "usage"),
        (("frobnicate",), 2, "usage"),
        (("round", "submit", "x"), 2, "usage"),
        (("log", "--since", "someday"), 2, "usage"),
        (("ack",), 2, "usage"),
        (("claim", "x", "--hold"), 2, "usage"),
        (("send", "--to", "lead", "--subject", "x", "text", "--body", "text"), 2, "usage"),
        (("--as", "nobody", "ack", "x"), 1, "unknown-id"),
        (("--as", "nobody", "send", "--to", "lead", "--subject", "x"), 1, "unknown-agent"),
        (("lease", "show", "nothing"), 1, "unknown-id"),
        (("agent", "show", "nobody"), 1, "unknown-agent"),
        (("init", "box2", "--agent", "Not A Name"), 2, "cannot-make"),
    ],
)
def test_errors_are_json_too_and_their_exit_codes_tell_them_apart(
    box: Box, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, word: str
) -> None:
    monkeypatch.chdir(box.root.parent)
    told = box.json(*args, code=code)
    assert (told["ok"], told["code"], told["bounce"]) == (False, word, "")
    assert told["message"]
    assert told["hint"]


def test_no_mailbox_is_exit_code_three(tmp_path: Path) -> None:
    done = run("-C", str(tmp_path), "status", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["code"] == "no-mailbox"
    assert run("-C", str(tmp_path / "missing"), "status").exit_code == 3


def test_the_common_options_stand_before_or_after_the_command(box: Box) -> None:
    before = run("-C", str(box.root), "--as", "lead", "--json", "inbox")
    after = run("inbox", "-C", str(box.root), "--as", "lead", "--json")
    assert json.loads(before.stdout) == json.loads(after.stdout)
    assert json.loads(after.stdout)["agent"] == "lead"
    assert json.loads(run("lease", "list", "-C", str(box.root), "--json").stdout)["leases"] == []


def test_the_environment_names_mailbox_and_actor(box: Box) -> None:
    env = {"HUB_MAILBOX": str(box.root), "HUB_AGENT": "backend"}
    assert json.loads(run("inbox", "--json", **env).stdout)["agent"] == "backend"
    assert json.loads(run("inbox", "--json", "--as", "lead", **env).stdout)["agent"] == "lead"


def test_a_busy_mailbox_is_exit_code_three_and_the_file_stays(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    monkeypatch.setattr("hubd.client.reach.WAIT", 0.2)
    lock = HubLock(box.root / ".git" / "hub" / "lock")
    lock.acquire("step", datetime.now(UTC))
    try:
        told = box.json("send", "--to", "lead", "--subject", "Hello", code=3)
        assert told["code"] == "unreachable"
        assert box.json("inbox", "lead")["documents"] == []  # reading goes on
        assert len(list((box.root / "agents/operator/outbox").glob("*.md"))) == 1
    finally:
        lock.release()
    assert [d["title"] for d in box.json("inbox", "lead")["documents"]] == ["Hello"]


# init


def test_a_mailbox_is_left_as_it_is_by_a_second_init(box: Box) -> None:
    before = {p: p.read_bytes() for p in box.root.rglob("*") if p.is_file() and ".git" not in p.parts}
    done = run("init", str(box.root), "--agent", "other")
    assert done.exit_code == 1
    assert "is a mailbox already" in done.stderr
    assert before == {p: p.read_bytes() for p in box.root.rglob("*") if p.is_file() and ".git" not in p.parts}


def test_init_says_what_to_do_next_and_gives_capabilities(tmp_path: Path) -> None:
    done = run(
        "init", str(tmp_path / "b"), "--agent", "ada:python,review", "--operator", "eva", "--host", "dock"
    )
    assert done.exit_code == 0
    assert [line[:2] for line in done.stdout.splitlines()] == ["ma", "1.", "2.", "3."]
    box = Box(tmp_path / "b")
    (ada, eva) = box.json("agent", "list")["agents"]
    assert (ada["name"], ada["capabilities"], ada["human"]) == ("ada", ["python", "review"], False)
    assert (eva["name"], eva["human"]) == ("eva", True)
    status = box.json("status")
    assert (status["host"], status["operator"]) == ("dock", "eva")
    assert (tmp_path / "b" / "NOW.md").read_text().startswith("# What waits for whom")


def test_a_work_tree_is_left_alone_unless_a_person_says_here(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "project")], check=True)
    box = tmp_path / "project" / "mailbox"
    refused = run("init", str(box))
    assert refused.exit_code == 1
    assert "--here" in refused.stderr
    assert not box.exists()
    assert run("init", str(box), "--here").exit_code == 0
    status = ["git", "-C", str(tmp_path / "project"), "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == ""
    assert run("init", str(tmp_path / "project"), "--here").exit_code == 1


# people and agents


def test_pause_and_resume_are_shown(box: Box) -> None:
    box.ok("pause", "backend", "--note", "too dear")
    assert "backend (paused)" in box.ok("agent", "list")
    box.ok("pause")
    assert box.json("status")["paused"]
    box.ok("resume")
    box.ok("resume", "backend")
    assert "paused" not in box.ok("agent", "show", "backend")
    assert box.json("pause", who="lead", code=1)["code"] == "not-yours"


def test_next_is_the_path_of_the_oldest_document_first(box: Box) -> None:
    assert box.ok("next", who="lead") == "nothing waits for lead\n"
    task = box.task()
    box.ok("send", "--to", "lead", "--subject", "Hello")
    said = box.ok("next", who="lead").splitlines()
    assert said[0] == str(box.root / f"agents/lead/inbox/{task}.md")
    assert f'hubctl round submit {task} --assign AGENT "goal"' in said[3]
    assert said[-1].startswith("1 more")
    assert box.json("next", who="lead")["document"]["id"] == task


def test_text_by_others_does_nothing_to_the_terminal(box: Box) -> None:
    outbox = box.root / "agents/backend/outbox/x.md"
    outbox.write_text("---\nkind: message\nto: operator\nsubject: Hello\n---\nc1 \x9b2J and \u202e turned\n")
    os.utime(outbox, (1_700_000_000, 1_700_000_000))
    (row,) = box.json("inbox")["documents"]
    said = box.ok("show", row["id"]) + box.ok("show", "--raw", row["id"])
    assert "\x9b" not in said
    assert "\u202e" not in said
    assert "c1 \\x9b2J and \\u202e turned" in said


def test_every_table_fits_eighty_columns(box: Box) -> None:
    title = "A very long title that goes on and on, " * 5
    box.task("backend: " + "x" * 90, "any:review: Review", title=title)
    box.ok("approve")
    box.ok("claim", "a-very", who="backend")
    box.ok("lease", "acquire", "k" * 100, "--path", "a/" * 40 + "**", who="tester")
    for words in (
        "status", "log", "inbox backend", "inbox lead --waiting", "task list", "task show a-very",
        "lease list", "agent list",
    ):  # fmt: skip
        said = [row for row in box.ok(*words.split()).splitlines() if str(box.root) not in row]
        assert max(map(len, said)) <= 80, (words, max(said, key=len))


def test_files_saved_meanwhile_are_judged_by_the_next_command(box: Box) -> None:
    path = box.root / "agents/lead/outbox/note.md"
    path.write_text("---\nkind: message\nto: operator\nsubject: By hand\n---\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert [d["title"] for d in box.json("inbox")["documents"]] == ["By hand"]
    assert not path.exists()
    assert "By hand" in (box.root / "NOW.md").read_text()


def test_git_log_in_the_mailbox_shows_what_a_command_did(box: Box) -> None:
    told = box.json("send", "--to", "lead", "--subject", "Hello")
    log = subprocess.run(
        ["git", "-C", str(box.root), "log", "--format=%H %s", "-1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout == f"{told['commit']} {told['id']}: new -> unread\n"


def test_verify_answers_for_the_mailbox(box: Box) -> None:
    box.task("backend: Fix it")
    told = box.json("verify")
    assert (told["ok"], told["first_bad"]) == (True, None)
    assert told["commits"] == box.json("status")["last_commit"]["seq"]
    assert box.ok("verify", str(box.root)).startswith("ok: ")
