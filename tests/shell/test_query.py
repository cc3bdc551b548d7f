"""The read model: what is told, to whom, in which form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from hubd import query
from hubd.core import place
from hubd.core.effect import Step
from hubd.query.lookup import fits
from hubd.query.rows import verbs
from tests.core.play import Table
from tests.shell.views import view

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def ask(table: Table) -> Ask:
    """Ask about the table; every answer must survive JSON."""
    shown = view(table)

    def ask(what: str, **args: Any) -> dict[str, Any]:
        told = query.answer(shown, what, args)
        assert json.loads(json.dumps(told)) == told
        assert told["schema"] == 1
        return told

    return ask


def dispatched(table: Table, *goals: str) -> str:
    """A task with an approved round; returns the task's id."""
    task = table.task()
    table.approve(table.plan(task, *goals))
    return task


# inbox and next


def test_an_inbox_row_says_what_where_and_what_can_be_done(table: Table, ask: Ask) -> None:
    task = table.task("Fix the login")
    told = ask("inbox", agent="lead")
    assert told["documents"] == [
        {
            "id": task, "kind": "task", "state": "draft", "title": "Fix the login", "from": "operator",
            "path": f"agents/lead/inbox/{task}.md", "created": "2026-11-21T10:00:00Z",
            "presented": "", "reached": "delivered", "next": ["amend", "close", "plan"],
        }
    ]  # fmt: skip


def test_an_inbox_lists_the_oldest_first(table: Table, ask: Ask) -> None:
    first = table.task("Zebra")
    table.later(60)
    second = table.task("Aardvark")
    assert [d["id"] for d in ask("inbox", agent="lead")["documents"]] == [first, second]


def test_what_waits_for_somebody_else_is_not_in_the_inbox(table: Table, ask: Ask) -> None:
    task = table.task()
    table.plan(task)
    assert ask("inbox", agent="lead")["documents"] == []
    assert [d["id"] for d in ask("inbox", agent="lead", waiting=True)["documents"]] == [task]


def test_a_very_full_inbox_is_cut_and_says_so(
    table: Table, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubd.query.overview.INBOX_SHOWN", 2)
    first = [table.task(f"Task {n}") for n in "abc"][:2]
    told = ask("inbox", agent="lead")
    assert ([d["id"] for d in told["documents"]], told["more"]) == (first, 1)


def test_nobody_named_is_the_operator_and_nobody_known_is_told(table: Table, ask: Ask) -> None:
    assert ask("inbox")["agent"] == "operator"
    assert ask("operator")["operator"] == "operator"
    told = ask("inbox", agent="nobody")
    assert (told["ok"], told["code"]) == (False, "unknown-agent")
    assert "backend" in told["hint"]


@pytest.mark.parametrize(
    ("who", "can"),
    [
        ("backend", ["claim", "fail"]),
        ("operator", ["cancel", "reassign"]),
        ("tester", []),
        ("lead", ["cancel", "reassign"]),
    ],
)
def test_next_depends_on_who_reads(table: Table, ask: Ask, who: str, can: list[str]) -> None:
    task = dispatched(table, "backend: Fix it")
    assert ask("show", **{"id": f"{task}.r1.a1", "as": who})["next"] == can


def test_a_holder_can_hand_off_and_ask(table: Table, ask: Ask) -> None:
    task = dispatched(table, "backend: Fix it")
    table.claim(f"{task}.r1.a1")
    told = ask("show", **{"id": f"{task}.r1.a1", "as": "backend"})
    assert {"progress", "release", "fail", "complete", "ask"} <= set(told["next"])


def pending(table: Table) -> None:
    dispatched(table, "backend: Fix it")


def waiting_for_approval(table: Table) -> None:
    table.plan(table.task())


def claimed(table: Table) -> None:
    table.claim(f"{dispatched(table, 'backend: Fix it')}.r1.a1")


def asked(table: Table) -> None:
    id_ = f"{dispatched(table, 'backend: Fix it')}.r1.a1"
    lease = table.claim(id_)
    table.drop("backend", f"---\nkind: question\ntitle: Which?\nassignment: {id_}\nlease: {lease}\n---\n")


def to_be_reviewed(table: Table) -> None:
    id_ = f"{dispatched(table, 'backend: Fix it')}.r1.a1"
    table.hand_off(id_, table.claim(id_))


def failed(table: Table) -> None:
    table.request("backend", "fail", f"{dispatched(table, 'backend: Fix it')}.r1.a1")


def mailed(table: Table) -> None:
    table.drop("backend", "---\nkind: message\nto: all\nsubject: Hello\n---\n")
    table.drop("backend", "---\nkind: nothing\n---\n")
    table.drop("backend", "---\nkind: agent\ncapabilities: [go]\n---\n")
    table.request("backend", "lease", "docs")


HISTORIES = (pending, waiting_for_approval, claimed, asked, to_be_reviewed, failed, mailed)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: h.__name__)
def test_no_verb_in_next_is_refused_as_wrong_or_not_yours(history: Callable[[Table], None]) -> None:
    table = Table()
    history(table)
    tried = 0
    for doc in list(table.state.live()):
        for who in table.state.cards:
            for verb in verbs(table.state, doc, who):
                if verb in ("amend", "plan", "complete", "ask"):
                    continue  # done by saving another document
                again = Table()
                history(again)
                lines = ["verdict: approved", "to: tester", "note: x", "answer: x"]
                lines += [f"lease: {doc.text('lease')}"] if doc.text("lease") else []
                step = again.request(who, verb, doc.id, *lines)
                assert isinstance(step, Step), (doc.id, who, verb, step)
                assert step.refusal is None, (doc.id, who, verb, step.refusal)
                tried += 1
    assert tried


def test_nothing_can_be_done_to_an_assignment_of_a_settled_round(table: Table, ask: Ask) -> None:
    task = dispatched(table, "backend: Fix it")
    table.request("backend", "fail", f"{task}.r1.a1", "note: no")
    assert "retry" in ask("show", id=f"{task}.r1.a1")["next"]
    table.request("lead", "review", f"{task}.r1", "verdict: changes_requested")
    assert ask("show", id=f"{task}.r1.a1")["next"] == []


# find and show


@pytest.mark.parametrize(
    ("id_", "prefix", "below", "expected"),
    [
        ("fix-login-7f3k", "fix", False, True),
        ("fix-login-7f3k.r1", "fix", False, False),
        ("fix-login-7f3k.r1", "fix", True, True),
        ("fix-login-7f3k.r1", "fix.r1", False, True),
        ("fix-login-7f3k.r1.a2", "fix.r.a2", False, True),
        ("fix-login-7f3k.r1", "fix.r2", False, False),
        ("other", "fix", False, False),
        ("fix", "fix-login", False, False),
    ],
)
def test_a_prefix_fits_part_by_part(id_: str, prefix: str, below: bool, expected: bool) -> None:
    assert fits(id_, prefix, below) is expected


def test_a_unique_prefix_is_enough(table: Table, ask: Ask) -> None:
    task = table.task("Fix the login")
    assert ask("find", prefix="fix")["id"] == task
    assert ask("show", id="fix")["header"]["title"] == "Fix the login"
    assert ask("find", prefix=f"agents/lead/inbox/{task}.md")["id"] == task


def test_a_prefix_of_two_is_answered_with_both(table: Table, ask: Ask) -> None:
    one, two = table.task("Fix the login"), table.task("Fix the logout")
    told = ask("find", prefix="fix")
    assert told["code"] == "ambiguous-id"
    assert {row["id"] for row in told["candidates"]} == {one, two}
    assert ask("find", prefix="nothing")["code"] == "unknown-id"
    assert ask("find", prefix="")["code"] == "unknown-id"
    assert ask("find", prefix="../../etc/passwd")["code"] == "unknown-id"


def test_the_tenth_round_is_not_meant_by_the_first(table: Table, ask: Ask) -> None:
    table = Table(max_rounds="12")
    task = table.task()
    for _ in range(10):
        table.request("operator", "reject", table.plan(task))
    told = query.answer(view(table), "find", {"prefix": f"{task[:6]}.r1"})
    assert told["id"] == f"{task}.r1"


def test_a_task_names_its_round_and_assignment_where_a_verb_needs_them(table: Table, ask: Ask) -> None:
    task = table.task()
    round_ = table.plan(task, "backend: Fix it", "backend: Test it < 1")
    assert ask("find", prefix=task, kinds=["round"], do="approve")["id"] == round_
    table.approve(round_)
    found = ask("find", **{"prefix": task, "kinds": ["assignment"], "do": "claim", "as": "backend"})
    assert found["id"] == f"{round_}.a1"
    assert ask("find", prefix=task, kinds=["assignment"])["code"] == "ambiguous-id"
    assert ask("find", prefix=task, kinds=["message"])["code"] == "wrong-kind"


def test_an_archived_document_is_found_by_its_id_and_by_a_prefix(table: Table, ask: Ask) -> None:
    task = table.task("Fix the login")
    table.request("operator", "close", task)
    assert table.state.get(task) is None
    assert ask("show", id=task)["state"] == "closed"
    assert ask("show", id="fix")["code"] == "unknown-id"
    assert ask("show", id="fix", archive=True)["id"] == task


def test_an_exact_id_looks_at_one_place_of_the_archive(table: Table) -> None:
    task = table.task("Fix the login")
    table.request("operator", "close", task)
    shown = view(table)
    query.answer(shown, "show", {"id": task})
    assert set(shown.ledger.read_paths) == {place.archive(task)}


def test_show_gives_the_header_the_body_and_the_block(table: Table, ask: Ask) -> None:
    task = table.task(body="It breaks.")
    told = ask("show", id=table.plan(task, "backend: Fix it", "tester: Test it < 1"))
    assert told["header"]["assignments"] == [
        {"to": "backend", "goal": "Fix it"},
        {"to": "tester", "goal": "Test it", "after": ["1"]},
    ]
    assert told["body"] == "Mind the tests.\n"
    assert "- [ ] approve" in told["block"]
    assert told["path"] == f"agents/operator/inbox/{told['id']}.md"
    assert re.fullmatch("[0-9a-f]{16}", told["header"]["plan"])


def test_a_card_and_a_lease_are_shown_too(table: Table, ask: Ask) -> None:
    table.request("backend", "lease", "branch:main", "path: src/**")
    assert ask("show", id="card.lead")["header"]["capabilities"] == ["plan"]
    assert ask("show", id="branch:main")["kind"] == "lease"


def test_a_family_is_told_in_order_also_when_it_has_ended(table: Table, ask: Ask) -> None:
    task = dispatched(table, "backend: Fix it", "tester: Test it < 1")
    lease = table.claim(f"{task}.r1.a1")
    table.hand_off(f"{task}.r1.a1", lease)
    told = ask("family", id=task)
    expected = [f"{task}.r1", f"{task}.r1.a1", f"{task}.r1.a1.h1", f"{task}.r1.a2"]
    assert [d["id"] for d in told["documents"]] == expected
    table.request("operator", "close", task)
    assert [d["id"] for d in ask("family", id=task)["documents"]] == expected


# overview


def test_status_counts_and_says_who_must_act(table: Table, ask: Ask) -> None:
    task = dispatched(table, "backend: Fix it")
    table.drop("backend", "---\nkind: message\nto: lead\nsubject: Hello\n---\nText\n")
    told = ask("status")
    assert told["counts"] == {
        "assignment": {"pending": 1}, "message": {"unread": 1},
        "round": {"dispatched": 1}, "task": {"dispatched": 1},
    }  # fmt: skip
    assert [(w["agent"], w["kind"]) for w in told["waits"]] == [
        ("backend", "assignment"),
        ("lead", "message"),
    ]
    assert told["waits"][0]["id"] == f"{task}.r1.a1"
    assert (told["daemon"], told["paused"], told["operator"]) == (None, False, "operator")


def test_a_daemon_tells_its_pid_uptime_and_troubles(table: Table) -> None:
    facts = {"pid": 4711, "uptime": 12.345, "trouble": "disk full"}
    told = query.answer(view(table), "status", {}, facts)
    assert told["daemon"] == {"pid": 4711, "uptime": 12.3}
    assert told["trouble"] == "disk full"


def test_agents_tell_what_they_have_and_whether_they_are_paused(table: Table, ask: Ask) -> None:
    task = dispatched(table, "backend: Fix it")
    table.claim(f"{task}.r1.a1")
    table.request("operator", "pause", "backend")
    agents = {a["name"]: a for a in ask("agents")["agents"]}
    assert agents["backend"]["holds"] == agents["backend"]["assignments"] == agents["backend"]["inbox"] == 1
    assert agents["backend"]["paused"]
    assert not agents["lead"]["paused"]
    assert agents["operator"]["human"]
    assert agents["lead"]["waiting"] == 2
    assert ask("agents", agent="nobody")["code"] == "unknown-agent"


def test_leases_tell_number_holder_and_end_and_no_pauses(table: Table, ask: Ask) -> None:
    table.request("operator", "pause", "hub")
    table.request("backend", "lease", "docs", "ttl: 10m", "path: [docs/**, README.md]", "worker: w1")
    (lease,) = ask("leases")["leases"]
    assert (lease["key"], lease["holder"], lease["worker"]) == ("docs", "backend", "w1")
    assert lease["globs"] == ["docs/**", "README.md"]
    assert (lease["expires"], lease["lease"]) == ("2026-11-21T10:10:00Z", table.state.seq)
    assert ask("leases", key="docs")["leases"] == [lease]
    assert ask("leases", key="other")["code"] == "unknown-id"


def test_tasks_tell_their_round_and_how_far_it_is(table: Table, ask: Ask) -> None:
    task = dispatched(table, "backend: Fix it", "tester: Test it")
    (row,) = ask("tasks")["tasks"]
    assert (row["id"], row["round"], row["owner"]) == (task, f"{task}.r1", "lead")
    assert row["assignments"] == {"pending": 2}


def test_an_unknown_question_is_answered(ask: Ask) -> None:
    assert ask("weather")["code"] == "bad-request"


# NOW.md


def test_now_says_what_waits_for_whom_people_first(table: Table) -> None:
    one = table.task("Zebra | with *marks*")
    table.later(60)
    two = table.task("Aardvark")
    table.plan(two)
    text = query.now_text(view(table))
    assert text.index("## operator (a person): 1") < text.index("## lead: 1")
    assert f"(agents/lead/inbox/{one}.md)" in text
    assert "Zebra \\| with \\*marks\\*" in text
    assert query.now_text(view(table)) == text


def test_now_says_so_when_nothing_waits(table: Table) -> None:
    assert "Nothing waits for anybody." in query.now_text(view(table))


def test_now_is_short_whatever_waits(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubd.query.now.MOST", 10)
    for number in range(12):
        table.drop(
            "backend", f"---\nkind: message\nto: lead\nsubject: Number {number}\n---\nText\n", f"m{number}.md"
        )
    text = query.now_text(view(table))
    assert text.count("- [m-") == 10
    assert "and 2 more in `agents/lead/inbox/`" in text
