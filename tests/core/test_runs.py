"""Starting an agent: who may be started, for what, and what is written before its process begins."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from hubd.core.model import Kind
from hubd.core.policy import work_for
from tests.core.launches import mail, part, staffed
from tests.core.play import Table, accepted, nothing, refused

# starting


def test_a_run_for_an_assignment_claims_it_in_the_same_commit() -> None:
    table = staffed("runtime: pty")
    a1 = part(table)
    run = table.doc(accepted(table.start("backend", a1)))
    doc, (lease,) = table.doc(a1), table.state.leases()
    assert (run.state, run.text("from"), run.text("agent"), run.texts("on")) == (
        "started", "hub", "backend", (a1,),
    )  # fmt: skip
    assert (run.text("runtime"), run.text("command"), run.text("depth")) == ("pty", "work", "1")
    assert (doc.state, doc.text("worker")) == ("claimed", run.id)
    assert run.text("lease") == doc.text("lease") == lease.text("lease") == str(table.state.seq)
    assert (lease.text("from"), lease.text("key"), lease.text("worker")) == ("backend", a1, run.id)
    assert lease.number("ttl") == 90 * 60
    assert table.inbox("backend", "waiting") == [run.id]


def test_what_a_run_is_for_is_shown_to_it_once() -> None:
    table = staffed()
    message, task = mail(table), table.task(owner="backend")
    run = accepted(table.start("backend"))
    assert set(table.doc(run).texts("on")) == {message, task}
    assert [table.doc(i).text("shown") for i in (message, task)] == [run, run]
    assert work_for(table.state, "backend") == ()
    accepted(table.end(run))
    assert "nothing-to-do" in nothing(table.start("backend")).why
    assert "wrong-documents" in nothing(table.start("backend", message)).why


def test_a_person_starts_an_agent_again_for_what_was_shown_already() -> None:
    table = staffed("launch: manual")
    message = mail(table)
    first = accepted(table.start("backend", actor="anna"))
    assert table.doc(first).text("from") == "anna"
    accepted(table.end(first))
    again = accepted(table.start("backend", actor="anna"))
    assert table.doc(message).text("shown") == again


def test_a_person_names_what_a_run_is_for() -> None:
    table = staffed()
    one, _two = mail(table), mail(table)
    run = accepted(table.start("backend", one, actor="anna"))
    assert table.doc(run).texts("on") == (one,)
    assert work_for(table.state, "backend") == (_two,)


@pytest.mark.parametrize("lines", [("launch: always",), ("runtime: pty",)])
def test_who_is_there_all_the_time_is_started_for_nothing(lines: tuple[str, ...]) -> None:
    table = staffed(*lines)
    run = accepted(table.start("backend", actor="operator"))
    assert table.doc(run).texts("on") == ()
    assert "It is there for whatever comes." in table.read(run)
    by_hub = staffed(*lines).start("backend")
    assert isinstance(by_hub, Step) == (lines == ("launch: always",))


def test_the_orchestrator_is_started_for_nothing() -> None:
    table = staffed()
    nothing(table.start("lead"))
    accepted(table.settings("orchestrator: lead"))
    accepted(table.start("lead"))


def test_a_run_takes_over_what_a_run_that_ended_was_asked_back() -> None:
    table = staffed()
    a1 = part(table)
    first = accepted(table.start("backend", a1))
    lease = table.doc(a1).text("lease")
    asked = accepted(table.ask("backend", f"assignment: {a1}", f"lease: {lease}"))
    accepted(table.end(first))
    assert (table.state_of(a1), table.doc(a1).text("worker")) == ("input_required", first)
    accepted(table.request("operator", "answer", asked, "answer: yes"))
    second = accepted(table.start("backend"))
    doc = table.doc(a1)
    assert (doc.state, doc.text("worker"), doc.text("attempt")) == ("claimed", second, "1")
    assert [d.text("key") for d in table.state.leases()] == [a1]
    assert (table.state_of(f"l-{lease}"), doc.text("lease") != lease) == ("released", True)
    assert refused(table.hand_off(a1, lease)) == "stale-lease"


def full(table: Table) -> str:
    for _ in range(4):
        table.claim(part(table))
    return part(table)


def deep(table: Table) -> str:
    accepted(table.settings("max_depth: 1"))
    accepted(table.start("lead", mail(table, "lead")))
    return mail(table, actor="lead")


def busy(table: Table) -> str:
    accepted(table.start("backend", mail(table)))
    return mail(table)


def crowded(table: Table) -> str:
    accepted(table.settings("max_concurrency: 1"))
    accepted(table.start("lead", mail(table, "lead")))
    return mail(table)


def paused(name: str) -> object:
    def play(table: Table) -> str:
        accepted(table.request("operator", "pause", name))
        return mail(table)

    return play


def read_already(table: Table) -> str:
    message = mail(table)
    accepted(table.remove(message))
    return message


def with_others(table: Table) -> str:
    return f"{part(table)}, {mail(table)}"


def two(table: Table) -> str:
    return f"{part(table)}, {part(table)}"


def many(table: Table) -> str:
    return ", ".join(mail(table) for _ in range(21))


def held(table: Table) -> str:
    a1 = part(table)
    table.claim(a1)
    return a1


@pytest.mark.parametrize(
    ("play", "code", "hint"),
    [
        (full, "too-many-held", "hand one off"),
        (deep, "run-too-deep", "raise max_depth"),
        (busy, "too-many-runs", "replicas"),
        (crowded, "too-many-runs", "max_concurrency"),
        (paused("backend"), "paused", "`on: backend`"),
        (paused("hub"), "paused", "`on: hub`"),
        (lambda table: "", "nothing-to-do", "for:"),
        (lambda table: "no-such-id", "unknown-id", "inbox"),
        (lambda table: mail(table, "lead"), "wrong-documents", "agents/backend/inbox"),
        (read_already, "wrong-documents", "leave out"),
        (held, "wrong-documents", "leave out"),
        (with_others, "wrong-documents", "one of them"),
        (two, "wrong-documents", "one of them"),
        (many, "wrong-documents", "one of them"),
    ],
)
def test_who_cannot_be_started_now_is_refused_with_a_way_on(play: object, code: str, hint: str) -> None:
    table = staffed()
    assert callable(play)
    named = play(table)
    before = len(table.state.runs())
    answer = table.start("backend", *([named] if named else []), actor="operator")
    assert refused(answer) == code
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert hint in answer.refusal.hint
    assert len(table.state.runs()) == before
    inbox = table.inbox("operator")
    # The hub's own proposal is the same, and makes no bounce.
    assert code in nothing(table.start("backend", *(named.split(", ") if named else []))).why
    assert table.inbox("operator") == inbox


def test_whoever_has_no_program_is_not_started() -> None:
    table = staffed()
    assert refused(table.start("ben", actor="anna")) == "cannot-start"
    assert refused(table.start("critic", actor="anna")) == "cannot-start"
    assert refused(table.start("nobody", actor="anna")) == "unknown-recipient"
    for name in ("ben", "critic", "nobody"):
        nothing(table.start(name))


def test_a_card_from_before_the_rules_is_looked_at_when_its_agent_is_started() -> None:
    table = staffed()
    card = table.state.cards["backend"]
    table.state.cards["backend"] = type(card)(
        card.id, card.kind, card.state, card.document.with_fields({"command": "clade"}), card.paths
    )
    table.watched = False
    answer = table.start("backend", mail(table), actor="anna")
    assert refused(answer) == "cannot-start"


def test_no_agent_starts_or_stops_anybody() -> None:
    table = staffed()
    run = accepted(table.start("backend", mail(table)))
    assert refused(table.start("tester", actor="lead")) == "not-yours"
    assert refused(table.request("backend", "stop", run)) == "not-yours"
    for do in ("end", "show", "check"):
        assert refused(table.request("backend", do, run)) == "bad-value"


def test_replicas_run_beside_each_other() -> None:
    table = staffed("replicas: 2")
    runs = [accepted(table.start("backend", mail(table))) for _ in range(2)]
    assert [run.id for run in table.state.runs("backend")] == runs
    assert refused(table.start("backend", mail(table), actor="anna")) == "too-many-runs"


def test_the_same_start_twice_starts_once() -> None:
    table = staffed("replicas: 3")
    a1 = part(table)
    accepted(table.start("backend", a1))
    assert "wrong-documents" in nothing(table.start("backend", a1)).why


# the document


def test_a_run_says_what_it_is_and_where_to_look() -> None:
    table = staffed()
    a1 = part(table)
    run = accepted(table.start("backend", a1, actor="anna"))
    text = table.read(run)
    for said in (f"`{a1}`, assignment: Do it", "started by anna", f"`hubctl logs -f {run}`", "do: stop"):
        assert said in text
    accepted(table.end(run, "failed"))
    text = table.tree[table.doc(run).paths[0]].decode()
    assert "<!-- hub -->" not in text
    assert f"`hubctl runs {run}` tells how it went" in text


def test_an_agent_whose_run_goes_on_keeps_its_card() -> None:
    table = staffed()
    run = accepted(table.start("backend", mail(table)))
    answer = table.propose("operator", "cards", "cards/backend.md", None)
    assert refused(answer) == "still-needed"
    accepted(table.end(run))
    accepted(table.propose("operator", "cards", "cards/backend.md", None))


def test_the_runs_of_an_agent_are_known_by_the_oldest() -> None:
    table = staffed("replicas: 3")
    runs = []
    for _ in range(3):
        runs.append(accepted(table.start("backend", mail(table))))
        table.later(1)
    assert [run.id for run in table.state.runs()] == runs
    assert all(run.kind is Kind.RUN for run in table.state.runs("backend"))
    accepted(table.end(runs[1]))
    assert [run.id for run in table.state.runs("backend")] == [runs[0], runs[2]]
    assert table.state.runs("lead") == []
