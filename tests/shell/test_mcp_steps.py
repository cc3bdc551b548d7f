"""What an answer's `next` says is done as it is said, with nothing but files, and the hub accepts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.shell.commands import Box, make
from tests.shell.mcp_clients import here, talk, told


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "m")


def ask(box: Box, who: str, tool: str, **arguments: Any) -> dict[str, Any]:
    async def asking() -> dict[str, Any]:
        async with here(box.root, who) as client:
            return await told(client, tool, **arguments)

    return talk(asking)


def only(box: Box, who: str, kind: str) -> dict[str, Any]:
    (row,) = (d for d in ask(box, who, "inbox_list")["documents"] if d["kind"] == kind)
    return dict(row)


def take(box: Box, row: dict[str, Any], do: str, **words: str) -> None:
    """Do what is said, to the letter; `words` are what the reader fills in."""
    (step,) = (s for s in row["next"] if s["do"] == do)
    if "edit" in step:
        path = box.root / step["edit"]
        text = path.read_text()
        assert step["replace"] in text
        path.write_text(text.replace(step["replace"], filled(step["with"], words), 1))
    else:
        path = box.root / step["drop"]
        aside = path.parents[1] / "drafts" / path.name
        aside.write_text(filled(step["write"], words))
        aside.rename(path)
    box.ok("status", HUB_SETTLE="0ms", HUB_DECISION_DELAY="0ms")


def filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        assert name in text
        text = text.replace(name, value)
    return text


def test_a_whole_round_is_played_by_following_next(box: Box) -> None:
    task = box.task()
    take(box, only(box, "lead", "task"), "plan", NAME="backend")
    take(box, only(box, "operator", "round"), "approve")
    take(box, only(box, "backend", "assignment"), "claim")
    held = only(box, "backend", "assignment")
    assert held["state"] == "claimed"
    take(box, held, "progress")
    take(box, only(box, "backend", "assignment"), "complete")
    take(box, only(box, "tester", "assignment"), "claim")
    take(box, only(box, "tester", "assignment"), "complete")
    take(box, only(box, "lead", "round"), "review: approved")
    assert [r["state"] for r in ask(box, "lead", "task_get", id=task)["rounds"]] == ["completed"]


def test_a_question_is_asked_and_answered_by_following_next(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve", f"{task}.r1")
    box.ok("claim", f"{task}.r1.a1", who="backend")
    take(box, only(box, "backend", "assignment"), "ask", ONE="sqlite", OTHER="postgres")
    take(box, only(box, "lead", "question"), "answer", TEXT="sqlite")
    assert only(box, "backend", "assignment")["state"] == "in_progress"


@pytest.mark.parametrize("do", ["reject", "review: changes_requested"])
def test_what_is_refused_is_given_a_reason(box: Box, do: str) -> None:
    task = box.task("backend: Fix it")
    if do == "reject":
        take(box, only(box, "operator", "round"), do, WHY="Too much")
    else:
        box.ok("approve", f"{task}.r1")
        box.ok("claim", f"{task}.r1.a1", who="backend")
        box.ok("complete", f"{task}.r1.a1", "--summary", "Done", who="backend")
        take(box, only(box, "lead", "round"), do, WHAT="A test")
    (round_,) = ask(box, "lead", "task_get", id=task)["rounds"]
    assert round_["state"] == ("rejected" if do == "reject" else "changes_requested")
    assert round_["note"] == ("Too much" if do == "reject" else "A test")


def test_messages_are_read_and_leases_given_back_by_following_next(box: Box) -> None:
    box.ok("send", "--to", "lead", "--subject", "Hello", "--body", "state: unread", who="tester")
    take(box, only(box, "lead", "message"), "ack")
    assert ask(box, "lead", "inbox_list")["documents"] == []
    box.ok("lease", "acquire", "branch: main", who="lead")
    (lease,) = ask(box, "lead", "lease_list")["leases"]
    take(box, lease, "unlease")
    assert ask(box, "lead", "lease_list")["leases"] == []


def test_nobody_is_told_to_write_for_another(box: Box) -> None:
    box.task()
    assert ask(box, "backend", "inbox_list", agent="lead")["documents"][0]["next"] == []
    box.ok("lease", "acquire", "branch:main", who="lead")
    assert ask(box, "backend", "lease_list")["leases"][0]["next"] == []


@pytest.mark.parametrize("prompt", ["plan", "claim", "hand_off", "review"])
def test_a_prompt_holds_the_document_and_the_bytes(box: Box, prompt: str) -> None:
    task = box.task() if prompt == "plan" else box.task("backend: Fix it")
    who, name = ("lead", task) if prompt == "plan" else ("backend", f"{task}.r1.a1")
    if prompt != "plan":
        box.ok("approve", f"{task}.r1")
    if prompt in ("hand_off", "review"):
        box.ok("claim", f"{task}.r1.a1", who="backend")
    if prompt == "review":
        box.ok("complete", f"{task}.r1.a1", "--summary", "Done", who="backend")
        who, name = "lead", f"{task}.r1"

    async def asking() -> list[str]:
        async with here(box.root, who) as client:
            found = []
            for arguments in ({}, {"id": name}):
                (message,) = (await client.get_prompt(prompt, arguments)).messages
                assert message.content.type == "text"
                found.append(message.content.text)
            return found

    first, named = talk(asking)
    assert first == named
    assert f"agents/{who}/" in first
    assert name in first
