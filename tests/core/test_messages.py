"""Messages: recipients, dedupe, threads, hops, expiry."""

from __future__ import annotations

import pytest

from hubd.core.model import Kind
from tests.core.play import Table, accepted, nothing, refused


def test_each_recipient_has_a_copy() -> None:
    table = Table()
    first = accepted(table.send("backend", "[lead, tester, lead, any:python]"))
    id_ = first.removesuffix(".1")
    assert table.inbox("lead") == [f"{id_}.1"]
    assert table.inbox("tester") == [f"{id_}.2"]
    assert table.inbox("backend") == [f"{id_}.3"]


def test_all_means_everybody_else() -> None:
    table = Table()
    accepted(table.send("backend", "all"))
    assert all(len(table.inbox(n)) == 1 for n in table.state.cards if n != "backend")
    assert table.inbox("backend") == []


def test_owner_and_operator() -> None:
    table = Table()
    task = table.task()
    assert refused(table.send("backend", "owner")) == "no-task"
    first = accepted(table.send("backend", "owner", f"task: {task}"))
    accepted(table.send("backend", "operator"))
    assert first in table.inbox("lead")
    assert len(table.inbox("operator")) == 1
    reply = accepted(table.send("tester", "owner", f"reply_to: {first}"))
    assert reply in table.inbox("lead"), "a reply is about the task of what it answers"


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("nobody", "unknown-recipient"),
        ("[lead, nobody]", "unknown-recipient"),
        ("lead@far", "unknown-host"),
        ("any:review@far", "unknown-host"),
        ("any:cooking", "no-such-capability"),
        ("Lead", "bad-value"),
        ("[]", "bad-value"),
        ("{a: b}", "bad-value"),
        ('"any:"', "bad-value"),
        ("lead@", "bad-value"),
    ],
)
def test_a_message_to_nobody_is_refused(to: str, code: str) -> None:
    assert refused(Table().send("backend", to)) == code


def test_the_same_key_and_bytes_are_delivered_once() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead", "dedupe_key: k1", name="a.md"))
    assert nothing(table.send("backend", "lead", "dedupe_key: k1", name="b.md")).document == first
    assert (
        refused(table.send("backend", "lead", "dedupe_key: k1", body="Other.", name="c.md"))
        == "duplicate-message"
    )
    accepted(table.remove(first))
    assert table.state_of(first) == "read"
    assert nothing(table.send("backend", "lead", "dedupe_key: k1", name="d.md")).document == first
    assert (
        refused(table.send("backend", "lead", "dedupe_key: k1", body="Other.", name="e.md"))
        == "duplicate-message"
    )
    assert accepted(table.send("tester", "lead", "dedupe_key: k1")) != first, "a key is its sender's own"


def test_copies_are_delivered_once_too() -> None:
    table = Table()
    first = accepted(table.send("backend", "[lead, tester]", "dedupe_key: k1", name="a.md"))
    assert nothing(table.send("backend", "[lead, tester]", "dedupe_key: k1", name="b.md")).document == first
    accepted(table.remove(first))
    assert nothing(table.send("backend", "[lead, tester]", "dedupe_key: k1", name="c.md")).document == first
    assert refused(table.send("backend", "lead", "dedupe_key: k1", name="d.md")) == "duplicate-message"


def test_a_thread_is_named_after_its_first_message() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead"))
    second = accepted(table.send("lead", "backend", f"reply_to: {first}"))
    third = accepted(table.send("backend", "lead", f"reply_to: {second}"))
    assert [table.doc(i).text("thread") for i in (first, second, third)] == ["", first, first]
    assert refused(table.send("backend", "lead", "reply_to: m-none")) == "unknown-id"


def test_a_reply_to_something_finished_is_fine() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead"))
    accepted(table.remove(first))
    assert table.state.get(first) is None
    second = accepted(table.send("lead", "backend", f"reply_to: {first}"))
    assert table.doc(second).text("hops") == "2"


def test_hops_are_counted_and_a_person_begins_anew() -> None:
    table = Table(max_hop_count="3")
    last = accepted(table.send("operator", "backend"))
    names = ["backend", "lead"]
    for hop in range(1, 4):
        sender, to = names[hop % 2 - 1], names[hop % 2]
        last = accepted(table.send(sender, to, f"reply_to: {last}"))
        assert table.doc(last).number("hops") == hop
    assert refused(table.send("lead", "backend", f"reply_to: {last}")) == "too-many-hops"
    fresh = accepted(table.send("anna", "backend", f"reply_to: {last}"))
    assert table.doc(fresh).text("hops") == "0"
    accepted(table.send("backend", "lead", f"reply_to: {fresh}"))


def test_a_message_expires_unread() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead", "expires: 8h"))
    other = accepted(table.send("backend", "lead", 'expires: "2026-11-21T12:00:00Z"'))
    nothing(table.hub("expire", first))
    table.later(2 * 3600)
    assert (table.state_of(first), table.state_of(other)) == ("unread", "expired")
    table.later(6 * 3600)
    assert table.state_of(first) == "expired"
    nothing(table.hub("expire", first))


@pytest.mark.parametrize("how", ["remove", "state", "request"])
def test_reading(how: str) -> None:
    table = Table()
    first = accepted(table.send("backend", "lead"))
    if how == "remove":
        accepted(table.remove(first))
    elif how == "state":
        accepted(table.edit(first, ("state: unread", "state: read")))
    else:
        accepted(table.request("lead", "ack", first))
        assert nothing(table.request("lead", "ack", first)).why.endswith("is read already")
    assert (table.state_of(first), table.inbox("lead")) == ("read", [])
    assert table.steps[-1].transition.upkeep


def test_somebody_elses_mail_is_not_read() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead"))
    assert refused(table.request("tester", "ack", first)) == "not-yours"
    assert refused(table.request("operator", "ack", first)) == "not-yours"


def test_only_mail_may_be_deleted() -> None:
    table = Table()
    task, round_ = table.dispatched("backend: Fix it")
    table.claim(f"{round_}.a1")
    question = accepted(table.ask("backend"))
    for id_ in (task, round_, f"{round_}.a1", question):
        assert refused(table.remove(id_)) == "deleted"
        assert table.path(id_) in table.tree


def test_the_text_of_a_message_is_its_senders() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead"))
    assert refused(table.edit(first, ("Text.", "Other."))) == "read-only"
    assert refused(table.edit(first, ("subject: News", "subject: Old"))) == "read-only"


def test_a_messages_blanks_may_be_spoiled_by_an_editor() -> None:
    table = Table()
    first = accepted(table.send("backend", "lead", body="One   two\n\n\nthree"))
    spoiled = (
        table.read(first).replace("One   two\n\n\nthree\n", "One two\n\nthree").replace("unread", "read", 1)
    )
    accepted(table.save(first, spoiled.replace("\n", "\r\n")))
    assert table.state_of(first) == "read"


def test_a_subject_of_the_hubs_own_never_becomes_too_long() -> None:
    table = Table()
    question = accepted(table.drop("backend", f"---\nkind: question\ntitle: {'x' * 500}\nto: lead\n---\n"))
    accepted(table.request("lead", "answer", question, "answer: y"))
    (told,) = table.inbox("backend")
    assert len(table.doc(told).text("subject")) == 500
    assert table.doc(told).kind is Kind.MESSAGE
