"""The transition table: all of it is reachable, nothing is a dead end, and nothing happens outside of it."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import cache

import pytest

from hubd.core.codes import CODES
from hubd.core.decide import decide, examine
from hubd.core.decide.cards import config
from hubd.core.document import Document
from hubd.core.effect import Doc, Nothing, Proposal, Step, Transition
from hubd.core.model import DOS, HUB_DOS, KINDS, Kind
from hubd.core.time import Now
from hubd.core.transition import NEW, ROWS, TABLE, direct, dos, is_final
from hubd.core.work import Facts, Work
from tests.core.launches import launches
from tests.core.play import Table, accepted, refused
from tests.core.presents import presents
from tests.core.reach import REACH, agent, assignment, handoff, message, round_, task

STATES = [(kind, state) for kind in REACH for state in KINDS[kind].states]
ACTORS = ("operator", "anna", "lead", "backend", "tester", "critic", "hub")
Key = tuple[Kind, str, str, str]


def key(taken: Transition) -> Key:
    return taken.kind, taken.before, taken.after, taken.do


def request(actor: str, do: str, on: str, lease: str, observed: str) -> Proposal:
    """A request that lacks nothing that the verb may need."""
    lines = ["---", "kind: request", f"do: {do}", f"on: {on}", "answer: yes", "note: why"]
    lines += ["verdict: changes_requested" if actor == "anna" else "verdict: approved"]
    lines += ["to: critic"] if do == "reassign" else []
    lines += [f"lease: {lease}"] if lease else []
    result = {"end": "{outcome: failed}", "check": "{evidence: verified}"}.get(do)
    lines += [f"result: {result}"] if result and actor == "hub" else []
    data = "\n".join((*lines, "---", "")).encode()
    if actor == "hub":
        return Proposal("hub", "hub", f"hub/{do}", data, "hub", observed)
    return Proposal(actor, "outbox", f"agents/{actor}/outbox/r.md", data)


@cache
def reached(kind: Kind, state: str) -> tuple[Table, str]:
    table = Table(approvals="1", max_attempts="2")
    return table, REACH[kind](state)(table)


@cache
def tries(kind: Kind, state: str) -> tuple[tuple[str, str, Step | Nothing], ...]:
    """Let everybody do everything to a document in this state, each on its own. Deciding changes nothing."""
    table, id_ = reached(kind, state)
    doc = table.state.card("fresh") if state == "active" else None
    if state == "retired":
        doc = Doc(id_, kind, state, Document(False, "\n", (), "", None, ""), ())
    doc = doc or table.doc(id_)
    leases = {"", doc.text("lease"), "1"} if kind in (Kind.ASSIGNMENT, Kind.LEASE) else {""}
    found = []
    for do in (*DOS, *HUB_DOS):
        for actor in ACTORS:
            for lease in leases:
                for late in (0.0, 10_000.0) if (actor, do) == ("hub", "expire") else (0.0,):
                    now = Now(table.now.wall + timedelta(seconds=late), table.now.boot, table.now.mono + late)
                    examined = examine(table.state, request(actor, do, id_, lease, "seen" if late else ""))
                    facts = Facts({i: d for i in examined.ids if (d := table.archived(i)) is not None})
                    found.append((actor, do, decide(table.state, examined, facts, now)))
    return tuple(found)


@pytest.mark.parametrize(("kind", "state"), STATES, ids=str)
def test_whoever_does_whatever_is_answered_by_a_row_or_by_a_known_code(kind: Kind, state: str) -> None:
    table, id_ = reached(kind, state)
    for actor, do, answer in tries(kind, state):
        if isinstance(answer, Nothing):
            assert answer.why
            continue
        if answer.refusal is not None:
            assert answer.refusal.code in CODES
            assert answer.refusal.hint
            continue
        row = ROWS[key(answer.transition)]
        assert row.by, (actor, do)
        doc = table.state.get(answer.transition.document) or next(
            d for d in answer.documents if d.id == answer.transition.document
        )
        work = Work(table.state, Facts(), table.now, answer.proposal)
        roles = work.roles(doc, actor, doc.text("lease"))
        assert roles & set(row.by), f"{actor} did {do} to {id_} as {roles}, and it is for {row.by}"


@pytest.mark.parametrize(("kind", "state"), STATES, ids=str)
def test_what_a_document_says_can_be_done_can_be_done_by_somebody(kind: Kind, state: str) -> None:
    done = {
        a.transition.do
        for _, _, a in tries(kind, state)
        if isinstance(a, Step) and a.refusal is None and a.transition.kind is kind
    }
    offered = set(dos(kind, state)) - {"amend", "retire", "submit", "refuse", "resume", "ask"}
    if kind is not Kind.CONFIG:
        assert offered <= done | {"pause"}


# coverage


def more() -> list[Table]:
    """Histories for what follows from other things than a request."""
    found = []

    def table(**settings: str) -> Table:
        found.append(Table(**settings))
        return found[-1]

    two = table(approvers=("operator", "anna"), approvals="2")  # type: ignore[arg-type]
    accepted(two.approve(two.plan(two.task()), "anna"))

    for reach in (
        task("draft"),
        round_("awaiting_approval"),
        round_("dispatched"),
        round_("awaiting_review"),
    ):
        moved = table()
        id_ = reach(moved).partition(".")[0]
        own = moved.task(owner="operator")
        if (name := moved.state_of(id_)) != "draft":
            plan = moved.plan(own, "backend: X", actor="operator")
            if name != "awaiting_approval":
                accepted(moved.approve(plan))
                if name == "awaiting_review":
                    moved.do(f"{plan}.a1")
        agent("proposed")(moved)
        accepted(moved.send("backend", "lead", f"task: {id_}"))
        accepted(moved.settings("operator: ben", "approvers: [anna]"))

    cards = table()
    agent("active")(cards)
    accepted(cards.card("fresh", "capabilities: [go]"))
    accepted(cards.drop("backend", "---\nkind: agent\n---\n", "c.md"))
    accepted(cards.drop("backend", "---\nkind: agent\ncapabilities: [c]\n---\n", "c.md"))
    fresh = accepted(cards.drop("anna", "---\nkind: agent\nname: other\n---\n"))
    accepted(cards.approve(fresh))

    edits = table()
    id_ = edits.task()
    accepted(edits.edit(id_, ("It breaks.", "It broke.")))
    plan = edits.plan(id_)
    accepted(edits.edit(plan, ("Mind the tests.", "Mind.")))
    for _ in range(4):
        refused(edits.drop("backend", "no header", "x.md"))

    later = table()
    a1 = assignment("waiting")(later).replace(".a2", ".a1")
    later.claim(a1)
    later.later(90 * 60)
    later.claim(a1)
    later.later(3600)

    for asks in ("expires: 1h", "to: lead"):
        asked = table()
        id_ = accepted(asked.ask("backend", asks))
        asked.later(3600)
        if asked.state_of(id_) == "open":
            accepted(asked.request("anna", "cancel", id_))
    told = table()
    accepted(told.request("lead", "answer", accepted(told.ask("backend", "to: lead")), "answer: yes"))
    answered = table()
    a1 = assignment("claimed")(answered)
    lease = answered.doc(a1).text("lease")
    accepted(answered.ask("backend", f"assignment: {a1}", f"lease: {lease}", "expires: 1h"))
    answered.later(3600)

    accepted(table().send("backend", "[lead, tester]"))
    handoff("accepted")(table())
    message("expired")(table())
    paused = table()
    accepted(paused.request("operator", "pause", "backend"))
    accepted(paused.request("operator", "resume", "backend"))
    return found


def endings() -> list[Table]:
    """Every way in which an assignment ends from every state, and begins again."""
    found = []
    for state in ("waiting", "pending", "claimed", "in_progress", "input_required"):
        for how in ("recall", "close", "deadline", "attempts", "done", "blocked", "ask"):
            found.append(table := Table(max_attempts="1"))
            id_ = assignment(state)(table)
            lease = table.doc(id_).text("lease")
            match how:
                case "recall" | "close":
                    parts = id_.split(".")
                    accepted(
                        table.request("operator", how, ".".join(parts[:2]) if how == "recall" else parts[0])
                    )
                case "attempts" if state in ("claimed", "in_progress"):
                    accepted(table.hub("expire", id_, "died"))
                case "deadline" if state != "waiting":
                    table.later(3 * 3600) if not lease else accepted(_timed_out(table, id_))
                case "done" | "blocked" if state == "in_progress":
                    accepted(table.hand_off(id_, lease, how))
                case "ask" if state == "in_progress":
                    accepted(table.ask("backend", f"assignment: {id_}", f"lease: {lease}"))
    for do in ("retry", "reassign"):
        for how in ("deadline", "cancel"):
            found.append(table := Table())
            lines = ("- {to: backend, goal: One}", "- {to: tester, goal: Two, after: [1], deadline: 1h}")
            plan = ("---", "kind: round", f"task: {table.task()}", "assignments:", *lines, "---", "")
            a2 = f"{accepted(table.drop('lead', chr(10).join(plan)))}.a2"
            accepted(table.approve(a2.removesuffix(".a2")))
            table.later(3600) if how == "deadline" else accepted(table.request("lead", "cancel", a2))
            accepted(table.request("lead", do, a2, "to: critic"))
    return found


def _timed_out(table: Table, id_: str) -> Step | Nothing:
    """Let an assignment's deadline pass before its lease is asked about."""
    table.now = Now(table.now.wall + timedelta(hours=3), table.now.boot, table.now.mono)
    return table.hub("expire", id_)


def founded() -> list[Transition]:
    """The hub's own first commit, and its note of a person's commit, are made by the shell."""
    state, found = Table().state, []
    for do in ("init", "adopt"):
        work = Work(state, Facts(), Table().now, Proposal("hub", "hub", f"hub/{do}", b"", "hub"))
        config(work, do, "hub", (), "hub")
        found.append(work.step().transition)
    return found


@cache
def played() -> tuple[frozenset[Key], frozenset[tuple[Key, str]]]:
    """Return the rows that were taken, and those that were, with what they followed from."""
    rows: set[Key] = set()
    follows: set[tuple[Key, str]] = set()
    tables = (*more(), *endings(), *launches(), *presents(), *(reached(k, s)[0] for k, s in STATES))
    steps = [s for table in tables for s in table.steps]
    steps += [a for k, s in STATES for _, _, a in tries(k, s) if isinstance(a, Step)]
    for step in steps:
        rows.add(key(step.transition))
        for taken in step.consequences:
            rows.add(key(taken))
            follows.add((key(taken), f"{step.transition.kind}.{step.transition.do}"))
    return frozenset(rows | {key(t) for t in founded()}), frozenset(follows)


def test_every_row_is_taken_in_some_history() -> None:
    assert [k for k in ROWS if k not in played()[0]] == []


def test_every_consequence_is_seen_after_everything_it_is_said_to_follow() -> None:
    missing = [(k, f) for k, row in ROWS.items() for f in row.follows if (k, f) not in played()[1]]
    missing = [m for m in missing if m[1] != "config.init"]  # that one is the shell's
    assert missing == []


# the table itself


def test_a_row_stands_once() -> None:
    assert len(ROWS) == len(TABLE)
    for row in TABLE:
        assert row.by or row.follows, row
        assert {row.before, row.after} - {NEW} <= set(KINDS[row.kind].states)
        assert not is_final(row.kind, row.before) or row.kind is Kind.ASSIGNMENT, (
            "only an assignment is tried again"
        )


def test_every_state_is_reached_and_every_live_one_has_a_way_to_an_end() -> None:
    ways: dict[Kind, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in TABLE:
        ways[row.kind][row.before].add(row.after)
    for kind, spec in KINDS.items():
        assert reachable(ways[kind], NEW) - {NEW} == set(spec.states), kind
        for state in set(spec.states) - spec.final:
            onward = reachable(ways[kind], state)
            assert onward & spec.final or kind is Kind.CONFIG, f"{kind} is stuck in {state}"
            assert direct(kind, state) or any(r.follows for r in TABLE if (r.kind, r.before) == (kind, state))


def reachable(ways: dict[str, set[str]], start: str) -> set[str]:
    seen, pending = {start}, [start]
    while pending:
        for after in ways[pending.pop()]:
            if after not in seen:
                seen.add(after)
                pending.append(after)
    return seen


def test_somebody_who_is_no_machine_can_end_whatever_waits() -> None:
    """From every live state somebody's own steps lead to an end: nothing waits for a clock alone."""
    for kind in (
        Kind.TASK,
        Kind.ROUND,
        Kind.ASSIGNMENT,
        Kind.QUESTION,
        Kind.MESSAGE,
        Kind.LEASE,
        Kind.BOUNCE,
    ):
        for state in set(KINDS[kind].states) - KINDS[kind].final:
            _, id_ = reached(kind, state)
            ends = [
                a
                for actor, _, a in tries(kind, state)
                if actor != "hub" and isinstance(a, Step) and a.refusal is None
                for d in a.documents
                if d.id == id_ and is_final(d.kind, d.state)
            ]
            closes = kind is Kind.ROUND and state != "awaiting_approval"
            assert ends or closes, (kind, state)


def test_the_hub_block_offers_what_the_table_offers() -> None:
    for state in ("awaiting_approval", "dispatched", "awaiting_review"):
        table, id_ = reached(Kind.TASK, state)
        shown = table.read(id_).partition("What can be done to it now: ")[2].partition(" (a request")[0]
        assert shown == ", ".join(f"`{d}`" for d in dos(Kind.TASK, state))
