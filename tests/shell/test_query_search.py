"""Search and the log in pages, over a real ledger: nothing is missed, nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubd import query
from hubd.layout import Layout
from hubd.query import search as searching
from hubd.query.reading import Reading, reading
from tests.shell.mailbox import STORY, Mailbox


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    """The two-round story, played to its end, and one task that goes on."""
    mailbox = Mailbox(tmp_path_factory.mktemp("search") / "box")
    for save in STORY:
        save(mailbox)
        mailbox.step()
    mailbox.drop(
        "operator", "more.md", "---\nkind: task\ntitle: Fix the logout\nowner: lead\n---\nIt BREAKS.\n"
    )
    mailbox.step()
    with reading(Layout(mailbox.root)) as view:
        yield view


def ask(view: Reading, what: str, **args: Any) -> dict[str, Any]:
    answer = query.answer(view, what, args)
    assert answer.get("ok") is not False, answer
    return answer


def pages(view: Reading, what: str, key: str, cursor: str, **args: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: Any = None
    for _ in range(500):
        page = ask(view, what, **args, **({cursor: after} if after else {}))
        found += page[key]
        after = page["next"]
        if not after:
            return found
    raise AssertionError("it does not end")


def test_live_documents_come_first_and_ended_ones_are_found(view: Reading) -> None:
    found = ask(view, "search", text="breaks")["documents"]
    assert [(d["title"], d["state"]) for d in found if d["kind"] == "task"] == [
        ("Fix the logout", "draft"), ("Fix the login", "completed")
    ]  # fmt: skip
    assert "It BREAKS." in found[0]["text"]


def test_all_words_are_wanted_and_kinds_kept_apart(view: Reading) -> None:
    assert ask(view, "search", text="fix logout")["documents"][0]["title"] == "Fix the logout"
    assert not ask(view, "search", text="fix nowhere")["documents"]
    handoffs = ask(view, "search", text="done", kind="handoff", limit=100)["documents"]
    assert {d["kind"] for d in handoffs} == {"handoff"}
    assert len(handoffs) == 4


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("reads", [1, 10, 300])
def test_pages_hold_every_document_once(
    view: Reading, limit: int, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {d["id"] for d in ask(view, "search", text="fix", limit=1000)["documents"]}
    assert len(whole) > 10
    monkeypatch.setattr(searching, "READS", reads)
    ids = [d["id"] for d in pages(view, "search", "documents", "after", text="fix", limit=limit)]
    assert len(ids) == len(set(ids))
    assert set(ids) == whole


@pytest.mark.parametrize(
    "wrong", [{"text": ""}, {}, {"text": "x", "after": "s"}, {"text": "x", "after": "l1"}]
)
def test_what_cannot_be_searched_for_is_told(view: Reading, wrong: dict[str, str]) -> None:
    assert query.answer(view, "search", wrong)["code"] == "bad-value"


@pytest.mark.parametrize("args", [{}, {"kind": "assignment"}, {"agent": "lead"}, {"upkeep": True}])
def test_the_log_in_pages_is_the_log(view: Reading, args: dict[str, Any]) -> None:
    whole = ask(view, "log", limit=1000, **args)["transitions"]
    assert len(whole) > 2
    assert pages(view, "history", "transitions", "before", limit=3, **args) == whole


def test_a_stamp_changes_with_what_it_stands_for_alone(view: Reading, tmp_path: Path) -> None:
    task = next(d.id for d in view.state.live() if d.kind == "task")
    asked = {"inboxes": ["lead", "backend", "nobody"], "documents": [task, "x"], "tasks": [task]}
    mailbox = Mailbox(tmp_path / "box")
    with reading(Layout(mailbox.root)) as other:
        assert ask(view, "stamps", **asked) == ask(view, "stamps", **asked)
        before = ask(other, "stamps", inboxes=["lead", "backend"])
    mailbox.drop("operator", "m.md", "---\nkind: message\nto: lead\nsubject: X\n---\n")
    mailbox.step()
    with reading(Layout(mailbox.root)) as other:
        after = ask(other, "stamps", inboxes=["lead", "backend"])
    assert before["inboxes"]["lead"] != after["inboxes"]["lead"]
    assert before["inboxes"]["backend"] == after["inboxes"]["backend"]
    assert before["names"] == after["names"]
