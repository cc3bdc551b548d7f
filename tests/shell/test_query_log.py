"""The read model over a real ledger: the log, the last commit, reading beside a hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd import query
from hubd.founding import found
from hubd.hub import Hub
from hubd.query.reading import reading


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A mailbox in which a task was planned, approved, claimed wrongly, and closed; and a lease renewed."""
    with found(tmp_path_factory.mktemp("log") / "box", ["lead", "backend"]) as hub:
        task = drop(hub, "operator", "t.md", "---\nkind: task\ntitle: Fix it\nowner: lead\n---\n")
        drop(hub, "operator", "o.md", "---\nkind: task\ntitle: Other\nowner: lead\n---\n")
        plan = f"---\nkind: round\ntask: {task}\nassignments: [{{to: backend, goal: Do}}]\n---\n"
        round_ = drop(hub, "lead", "r.md", plan)
        request(hub, "operator", "approve", round_)
        request(hub, "lead", "claim", f"{round_}.a1")
        request(hub, "backend", "lease", "k")
        request(hub, "backend", "renew", "k", f"lease: {hub.state.seq}")
        request(hub, "operator", "close", task)
        yield hub


def drop(hub: Hub, who: str, name: str, text: str) -> str:
    """Save a document in an outbox, and have it judged."""
    (hub.layout.outbox(who) / name).write_text(text)
    outcome = hub.submit(who, name)
    assert outcome is not None
    return outcome.id


def request(hub: Hub, who: str, do: str, on: str, *lines: str) -> None:
    drop(
        hub, who, f"{do}.md", "\n".join(("---", "kind: request", f"do: {do}", f"on: {on}", *lines, "---", ""))
    )


def test_the_log_is_newest_first_and_gives_every_field(hub: Hub) -> None:
    rows = query.answer(hub, "log", {"limit": 3})["transitions"]
    assert [r["seq"] for r in rows] == sorted((r["seq"] for r in rows), reverse=True)
    assert {"seq", "commit", "time", "actor", "document", "kind", "from", "to"} <= set(rows[0])
    assert (rows[0]["from"], rows[0]["to"], rows[0]["do"]) == ("dispatched", "closed", "close")
    assert re.fullmatch("[0-9a-f]{40}", rows[0]["commit"])


def test_the_log_hides_upkeep_unless_asked(hub: Hub) -> None:
    plain = query.answer(hub, "log", {"limit": 100})["transitions"]
    whole = query.answer(hub, "log", {"limit": 100, "upkeep": True})["transitions"]
    assert [r["do"] for r in whole if r not in plain] == ["renew"]


def test_the_log_of_a_document_holds_its_family_and_no_other(hub: Hub) -> None:
    task = query.answer(hub, "log", {"limit": 1})["transitions"][0]["document"]
    rows = query.answer(hub, "log", {"id": task, "limit": 100})["transitions"]
    assert {r["document"].partition(".")[0] for r in rows} == {task}
    assert [r["from"] for r in rows if r["document"] == task] == ["dispatched", "new"]
    assert f"{task}.r1" in {r["document"] for r in rows}


def test_the_log_filters_by_agent_kind_and_time(hub: Hub) -> None:
    by_lead = query.answer(hub, "log", {"agent": "lead"})["transitions"]
    assert {r["actor"] for r in by_lead} == {"lead"}
    tasks = query.answer(hub, "log", {"kind": "task"})["transitions"]
    assert {r["kind"] for r in tasks} == {"task"}
    assert query.answer(hub, "log", {"since": "2099-01-01T00:00:00Z"})["transitions"] == []
    assert query.answer(hub, "log", {"until": "2001-01-01T00:00:00Z"})["transitions"] == []
    assert query.answer(hub, "log", {"since": "last week"})["code"] == "bad-value"


def test_a_refusal_is_in_the_log_with_its_code(hub: Hub) -> None:
    refused = [r for r in query.answer(hub, "log", {"limit": 100})["transitions"] if r["refused"]]
    assert [(r["actor"], r["refused"], r["kind"]) for r in refused] == [("lead", "not-yours", "bounce")]


def test_the_log_says_when_it_stopped_looking(hub: Hub) -> None:
    assert query.answer(hub, "log", {"kind": "question", "scan": 3})["more"]
    assert not query.answer(hub, "log", {"kind": "question"})["more"]


def test_status_names_the_last_commit(hub: Hub) -> None:
    last = query.answer(hub, "status", {})["last_commit"]
    assert last["commit"] == hub.ledger.tip()
    assert last["seq"] == hub.state.seq


def test_a_mailbox_can_be_read_beside_its_hub(hub: Hub) -> None:
    with reading(hub.layout) as seen:
        for what in ("status", "agents", "leases", "tasks", "log", "inbox"):
            assert query.answer(seen, what, {}) == query.answer(hub, what, {})


def test_now_replaces_whatever_lies_there_and_follows_no_link(tmp_path: Path) -> None:
    with found(tmp_path / "box", ["ada"]) as hub:
        victim = tmp_path / "victim"
        victim.write_text("mine")
        now = hub.layout.now
        now.unlink(missing_ok=True)
        now.symlink_to(victim)
        assert query.write_now(hub)
        assert victim.read_text() == "mine"
        assert now.read_text() == query.now_text(hub)
        assert not query.write_now(hub)
