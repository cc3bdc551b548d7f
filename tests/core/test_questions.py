"""Questions: they stop the clock of the assignment they name; they are answered, expire, are taken back."""

from __future__ import annotations

import pytest

from tests.core.play import Table, accepted, nothing, refused

TERM = 90 * 60


def asked(table: Table, *lines: str) -> tuple[str, str]:
    """Return an assignment that waits, and the question it waits for."""
    _, round_ = table.dispatched("backend: Fix it", "tester: Review < 1")
    a1 = f"{round_}.a1"
    lease = table.claim(a1)
    question = accepted(table.ask("backend", f"assignment: {a1}", f"lease: {lease}", *lines))
    return a1, question


def test_a_question_stops_the_clock_and_the_answer_brings_the_work_back() -> None:
    table = Table()
    a1, question = asked(table, "choices: [one, other]")
    assert (table.state_of(a1), table.inbox("backend"), table.inbox("operator")) == (
        "input_required",
        [],
        [question],
    )
    assert question == f"{a1}.q1"
    table.later(100 * TERM)
    assert table.state_of(a1) == "input_required"
    accepted(table.edit(question, ("- [ ] other", "- [x] other")))
    assert (table.state_of(a1), table.doc(question).text("answered_by")) == ("in_progress", "operator")
    assert table.inbox("backend") == [a1]
    assert "other" in table.read(a1)
    table.later(TERM - 5)
    assert table.state_of(a1) == "in_progress"
    table.later(6)
    assert table.state_of(a1) == "pending"
    assert "other" in table.read(a1), "the next worker sees the answer too"


def test_a_clock_goes_on_with_what_was_left_and_never_less_than_a_minute() -> None:
    for passed, left in ((1000, TERM - 1000), (TERM - 1, 60)):
        table = Table()
        _, round_ = table.dispatched("backend: Fix it")
        a1 = f"{round_}.a1"
        lease = table.claim(a1)
        table.later(passed)
        question = accepted(table.ask("backend", f"assignment: {a1}", f"lease: {lease}"))
        table.later(5000)
        accepted(table.edit(question, ("Answer:", "Answer: yes")))
        table.later(left - 1)
        assert table.state_of(a1) == "in_progress"
        table.later(2)
        assert table.state_of(a1) == "pending"


def test_a_clock_that_stands_still_survives_a_boot() -> None:
    table = Table()
    a1, question = asked(table)
    table.reboot()
    table.later(10 * TERM)
    accepted(table.request("operator", "answer", question, "answer: yes"))
    table.later(TERM - 1)
    assert table.state_of(a1) == "in_progress"
    table.later(2)
    assert table.state_of(a1) == "pending"


def test_work_goes_on_under_the_same_lease() -> None:
    table = Table()
    a1, question = asked(table)
    lease = table.doc(a1).text("lease")
    for do in ("progress", "release", "fail"):
        assert refused(table.request("backend", do, a1, f"lease: {lease}")) == "wrong-state"
        assert refused(table.request("backend", do, a1, "lease: 1")) == "stale-lease"
    assert refused(table.hand_off(a1, lease)) == "wrong-state"
    assert refused(table.ask("backend", f"assignment: {a1}", f"lease: {lease}")) == "wrong-state"
    assert refused(table.request("backend", "renew", a1, f"lease: {lease}")) == "wrong-state"
    accepted(table.request("operator", "answer", question, "answer: yes"))
    accepted(table.hand_off(a1, lease))


@pytest.mark.parametrize("actor", ["backend", "anna"])
def test_a_question_is_taken_back(actor: str) -> None:
    table = Table()
    a1, question = asked(table)
    assert refused(table.request("tester", "cancel", question)) == "not-yours"
    accepted(table.request(actor, "cancel", question))
    assert (table.state_of(question), table.state_of(a1)) == ("expired", "in_progress")


def test_the_default_is_the_answer_when_nobody_answers() -> None:
    table = Table()
    a1, question = asked(table, "default: one", "expires: 4h")
    assert "The answer is then: one" in table.read(question)
    nothing(table.hub("expire", question))
    table.later(4 * 3600)
    assert (table.state_of(question), table.doc(question).text("answer")) == ("expired", "one")
    assert table.state_of(a1) == "in_progress"
    assert "was expired:\n\n```text\none" in table.read(a1)


def test_a_question_that_stops_nothing_is_answered_by_a_message() -> None:
    table = Table()
    question = accepted(table.ask("backend", "to: lead", "choices: [a, b]"))
    assert table.inbox("lead") == [question]
    accepted(table.edit(question, ("- [ ] a", "- [x] a"), ("Answer:", "Answer: because")))
    (told,) = table.inbox("backend")
    assert table.doc(told).text("reply_to") == question
    assert table.doc(told).document.body == "a\n\nbecause\n"


def test_who_asked_is_told_of_an_expiry_and_of_a_cancel_by_somebody_else() -> None:
    table = Table()
    accepted(table.ask("backend", "to: lead", "expires: 1h"))
    table.later(3600)
    assert "There is no answer." in table.read(table.inbox("backend")[0])
    table = Table()
    question = accepted(table.ask("backend", "to: lead"))
    accepted(table.request("operator", "cancel", question))
    assert len(table.inbox("backend")) == 1
    table = Table()
    question = accepted(table.ask("backend", "to: lead"))
    accepted(table.request("backend", "cancel", question))
    assert table.inbox("backend") == table.inbox("lead") == []


def test_only_the_one_who_is_asked_answers() -> None:
    table = Table()
    question = accepted(table.ask("backend", "to: lead"))
    for actor in ("backend", "operator", "tester"):
        assert refused(table.request(actor, "answer", question, "answer: x")) == "not-yours"
    assert refused(table.request("lead", "answer", question)) == "missing-key"
    accepted(table.request("lead", "answer", question, "note: in the note"))
    assert table.doc(question).text("answer") == "in the note"
    assert refused(table.request("lead", "answer", question, "answer: again")) == "wrong-state"


def test_two_ticks_are_no_answer() -> None:
    table = Table()
    question = accepted(table.ask("backend", "choices: [a, b]"))
    both = (("- [ ] a", "- [x] a"), ("- [ ] b", "- [x] b"))
    assert refused(table.edit(question, *both)) == "ambiguous-decision"


def test_the_long_form_answers_too() -> None:
    table = Table()
    question = accepted(table.ask("backend"))
    assert refused(table.edit(question, ("state: open", "state: answered"))) == "missing-key"
    accepted(table.edit(question, ("state: open", "state: answered\nanswer: so")))
    assert table.doc(question).text("answer") == "so"


@pytest.mark.parametrize(
    "choice",
    [
        "- [x] approve",
        "[x] tick",
        "a | b",
        "`code`",
        "back\\slash",
        "two  blanks",
        "*star* _line_",
        "<!-- hub -->",
        "x" * 400,
        "1. [ ] no",
        "a (b)",
        "approve (say why below)",
    ],
)
def test_a_choice_is_read_back_as_it_was_asked_whatever_it_looks_like(choice: str) -> None:
    table = Table()
    quoted = choice.replace("\\", "\\\\")
    if "<!--" in choice:
        quoted = quoted.replace("<", "\\x3c")
    question = accepted(table.ask("backend", f'choices: ["{quoted}", other]'))
    text = table.read(question)
    boxes = [line for line in text.splitlines() if line.startswith("- [ ] ")]
    assert len(boxes) == 2
    accepted(table.edit(question, (boxes[0], boxes[0].replace("[ ]", "[x]", 1))))
    assert table.doc(question).text("answer") == " ".join(choice.split())


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("assignment: none",), "unknown-id"),
        (("task: none",), "unknown-id"),
        (("to: nobody",), "unknown-recipient"),
        (("to: owner",), "no-task"),
        (("to: any:cooking",), "no-such-capability"),
        (("expires: soon",), "bad-value"),
    ],
)
def test_a_question_that_goes_nowhere_is_refused(lines: tuple[str, ...], code: str) -> None:
    assert refused(Table().ask("backend", *lines)) == code


def test_somebody_elses_work_is_not_stopped() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it", "tester: Review < 1")
    lease = table.claim(f"{round_}.a1")
    assert refused(table.ask("tester", f"assignment: {round_}.a1", f"lease: {lease}")) == "not-yours"
    assert refused(table.ask("tester", f"assignment: {round_}.a2", "lease: 1")) == "wrong-state"
    assert refused(table.ask("tester", f"assignment: {round_}", "lease: 1")) == "unknown-id"


def test_the_owner_of_the_task_can_be_asked() -> None:
    table = Table()
    _, question = asked(table, "to: owner")
    assert table.inbox("lead") == [question]
    task = table.task()
    other = accepted(table.ask("critic", "to: owner", f"task: {task}"))
    assert other in table.inbox("lead")


def test_a_question_ends_with_the_work_that_waits_for_it() -> None:
    for how in ("cancel", "recall", "close", "reassign"):
        table = Table()
        a1, question = asked(table)
        on = {"cancel": a1, "recall": a1.rpartition(".")[0], "close": a1.split(".")[0], "reassign": a1}[how]
        accepted(table.request("lead", how, on, *(("to: critic",) if how == "reassign" else ())))
        assert table.state_of(question) == "expired"
        assert question not in table.inbox("operator")


def test_a_second_question_has_another_name() -> None:
    table = Table()
    a1, question = asked(table)
    accepted(table.request("operator", "answer", question, "answer: yes"))
    lease = table.doc(a1).text("lease")
    second = accepted(table.ask("backend", f"assignment: {a1}", f"lease: {lease}"))
    assert second == f"{a1}.q2"
    assert "yes" in table.read(a1)


def test_the_answer_is_written_in_the_block() -> None:
    table = Table()
    question = accepted(table.ask("backend"))
    assert refused(table.save(question, table.read(question) + "My answer\n")) == "read-only"
