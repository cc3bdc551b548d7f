"""Edits of live documents: versions, stale buffers, ticks, amendments, the hub's own lines."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from tests.core.play import Table, accepted, changed, nothing, refused

TICK = ("- [ ] approve", "- [x] approve")


def waiting(**settings: str | tuple[str, ...]) -> tuple[Table, str]:
    """Return a round that waits for approval."""
    table = Table(**settings)
    return table, table.plan(table.task(), "backend: Fix it", "tester: Review it < 1")


# buffers


def test_a_file_that_is_unchanged_means_nothing() -> None:
    table, round_ = waiting()
    nothing(table.save(round_, table.read(round_)))


def test_an_old_file_that_is_unchanged_is_put_back_silently() -> None:
    table, round_ = waiting()
    path, buffer = table.path(round_), table.read(round_)
    accepted(table.edit(round_, ("Mind the tests.", "Mind all tests.")))
    assert nothing(table.save_at(path, buffer)).put_back


def test_an_old_file_saved_where_nothing_lies_any_more_is_put_back_silently() -> None:
    table, round_ = waiting()
    path, buffer = table.path(round_), table.read(round_)
    accepted(table.approve(round_))
    assert nothing(table.save_at(path, buffer)).put_back
    answer = table.save_at(path, changed(buffer, TICK))
    assert refused(answer) == "stale-buffer"
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert f"agents/lead/waiting/{round_}.md" in answer.refusal.message


def test_an_old_file_of_something_finished_is_stale_too() -> None:
    table, round_ = waiting()
    path, buffer = table.path(round_), table.read(round_)
    accepted(table.request("operator", "close", round_.partition(".")[0]))
    assert refused(table.save_at(path, changed(buffer, TICK))) == "stale-buffer"


def test_a_file_that_was_never_delivered_is_refused() -> None:
    table, round_ = waiting()
    buffer = table.read(round_)
    for path in (
        "agents/lead/inbox/new.md",
        f"agents/ben/inbox/{round_}.md",
        "agents/lead/waiting/Not a name.md",
    ):
        assert refused(table.save_at(path, buffer)) == "not-delivered"
        assert refused(table.save_at(path, "no header")) in ("not-delivered", "no-header")
    nothing(table.propose("lead", "live", "agents/lead/inbox/new.md", None))


def test_amending_and_ticking_in_one_save_approves_the_amended_plan() -> None:
    table, round_ = waiting()
    old = table.doc(round_).text("plan")
    accepted(table.edit(round_, ("goal: Fix it", "goal: Fix it well"), TICK))
    assert table.doc(f"{round_}.a1").text("goal") == "Fix it well"
    new = table.doc(round_).text("plan")
    assert new != old
    assert table.steps[-1].observed == f"plan {old} -> {new}"


def test_amending_and_ticking_in_two_saves_from_one_old_buffer_approves_the_amended_plan() -> None:
    table, round_ = waiting()
    path = table.path(round_)
    buffer = changed(table.read(round_), ("goal: Fix it", "goal: Fix it well"))
    accepted(table.save_at(path, buffer))
    assert table.state_of(round_) == "awaiting_approval"
    accepted(table.save_at(path, changed(buffer, TICK)))
    assert table.doc(f"{round_}.a1").text("goal") == "Fix it well"


def test_a_tick_on_a_plan_that_somebody_else_changed_is_stale() -> None:
    table, round_ = waiting(approvers=("operator", "anna"))
    path, buffer = table.path(round_, "operator"), table.read(round_, "operator")
    accepted(table.edit(round_, ("goal: Fix it", "goal: Delete it"), actor="anna"))
    answer = table.save_at(path, changed(buffer, TICK))
    assert refused(answer) == "stale-buffer"
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert (answer.refusal.written, answer.refusal.correct) == (
        "base: awaiting_approval (rev 9)",
        "truth: awaiting_approval (rev 10)",
    )
    assert table.state_of(round_) == "awaiting_approval"


def test_two_amendments_of_one_text_are_a_conflict() -> None:
    table, round_ = waiting(approvers=("operator", "anna"))
    path, buffer = table.path(round_, "operator"), table.read(round_, "operator")
    accepted(table.edit(round_, ("goal: Fix it", "goal: Delete it"), actor="anna"))
    assert refused(table.save_at(path, changed(buffer, ("goal: Fix it", "goal: Keep it")))) == "stale-buffer"


def test_what_others_did_elsewhere_is_no_conflict() -> None:
    table = Table()
    task = table.task()
    path, buffer = table.path(task), table.read(task)
    accepted(table.send("backend", "lead", f"task: {task}"))
    assert table.doc(task).text("messages") == "1"
    accepted(table.save_at(path, changed(buffer, ("It breaks.", "It still breaks."))))
    assert "messages: 1" in table.read(task)
    assert "It still breaks." in table.read(task)


def test_a_buffer_whose_version_was_altered_is_refused() -> None:
    table, round_ = waiting()
    for rev in ("rev: 3", "rev: 99999999999999999999999", "rev: ²", "rev: x"):
        assert refused(table.edit(round_, ("rev: 9", rev), TICK)) == "hub-line"


# the hub's lines


@pytest.mark.parametrize("line", ["id", "state", "rev", "from", "created", "number", "plan", "outbox"])
def test_a_lost_line_of_the_hub_is_restored(line: str) -> None:
    table, round_ = waiting()
    lost = "".join(text for text in table.read(round_).splitlines(True) if not text.startswith(f"{line}:"))
    assert nothing(table.save(round_, lost)).put_back
    accepted(table.save(round_, changed(lost, TICK)))
    assert f"\n{line}: " in table.read(round_)


@pytest.mark.parametrize("line", ["id", "from", "created", "number", "plan"])
def test_an_altered_line_of_the_hub_is_refused_and_shown(line: str) -> None:
    table, round_ = waiting()
    text = table.read(round_)
    was = next(t for t in text.splitlines() if t.startswith(f"{line}: "))
    answer = table.edit(round_, (was, f"{line}: other"), TICK)
    assert refused(answer) == "hub-line"
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert (answer.refusal.written, answer.refusal.correct) == (f"{line}: other", was)
    assert answer.refusal.line == text[: text.index(was)].count("\n") + 1


def test_a_lost_block_is_restored() -> None:
    table, round_ = waiting()
    text = table.read(round_)
    block = text[text.index("<!-- hub -->") : text.index("<!-- /hub -->\n") + 14]
    assert nothing(table.save(round_, text.replace(block, ""))).put_back
    accepted(table.save(round_, text.replace(block, "").replace("state:", "decision: approve\nstate:", 1)))


def test_half_a_block_is_refused() -> None:
    table, round_ = waiting()
    assert refused(table.edit(round_, ("<!-- /hub -->\n", ""), TICK)) == "unclosed-block"
    assert refused(table.edit(round_, ("<!-- hub -->\n", ""), TICK)) == "hub-marker"


def test_another_kind_is_refused() -> None:
    table, round_ = waiting()
    assert refused(table.edit(round_, ("kind: round", "kind: task"))) == "bad-value"
    assert refused(table.edit(round_, ("kind: round\n", ""))) == "missing-key"


def test_crlf_and_a_byte_order_mark_are_kept() -> None:
    table = Table()
    text = "\ufeff---\r\nkind: task\r\ntitle: Windows\r\nowner: lead\r\n---\r\nBody.\r\n"
    task = accepted(table.drop("operator", text))
    stored = table.read(task)
    assert stored.startswith("\ufeff---\r\n")
    assert stored.count("\n") == stored.count("\r\n")
    assert stored.endswith("-->\r\nBody.\r\n")
    assert refused(table.save(task, stored.replace("\r\n", "\n", 3))) == "mixed-newlines"
    accepted(table.edit(task, ("Body.", "Other body.")))
    assert table.read(task).endswith("Other body.\r\n")


def test_an_editor_that_changes_line_ends_can_still_claim() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    text = changed(table.read(f"{round_}.a1"), ("state: pending", "state: claimed\nworker: w"))
    accepted(table.save(f"{round_}.a1", text.replace("\n", "\r\n")))
    assert "\r" not in table.read(f"{round_}.a1")


def test_comments_and_unknown_keys_of_ones_own_are_kept() -> None:
    table = Table()
    task = accepted(table.drop("lead", "---\n# mine\nkind: task\ntitle: X\nx-mine: [1, 2]\n---\n"))
    assert "# mine\nkind: task\ntitle: X\nx-mine: [1, 2]\n---\n" in table.read(task)


# ticks


def test_two_ticks_are_ambiguous() -> None:
    table, round_ = waiting()
    assert refused(table.edit(round_, TICK, ("- [ ] reject", "- [x] reject"))) == "ambiguous-decision"


def test_a_tick_against_the_header_is_ambiguous() -> None:
    table, round_ = waiting()
    against = ("kind: round", "decision: reject\nkind: round")
    assert refused(table.edit(round_, TICK, against)) == "ambiguous-decision"
    with_it = ("kind: round", "decision: approved\nkind: round")
    accepted(table.edit(round_, TICK, with_it))


@pytest.mark.parametrize(
    "tick", ["- [X] approve", "* [x] approve", "- [x] approve, please", "  - [x] approve  "]
)
def test_a_tick_in_any_dress(tick: str) -> None:
    table, round_ = waiting()
    accepted(table.edit(round_, ("- [ ] approve", tick)))
    assert table.state_of(round_) == "dispatched"


def test_a_note_without_a_decision_is_left_alone() -> None:
    table, round_ = waiting()
    assert not nothing(table.edit(round_, ("Note:", "Note: I wonder"))).put_back
    path, buffer = table.path(round_), table.read(round_)
    accepted(table.edit(round_, ("goal: Fix it", "goal: Fix")))
    assert refused(table.save_at(path, changed(buffer, ("Note:", "Note: I wonder")))) == "stale-buffer"


def test_a_tick_outside_the_block_is_text() -> None:
    table, round_ = waiting()
    accepted(table.edit(round_, ("Mind the tests.", "- [x] approve")))
    assert table.state_of(round_) == "awaiting_approval"
    assert table.steps[-1].transition.do == "amend"


def test_a_box_of_ones_own_is_no_verb() -> None:
    table, round_ = waiting()
    assert refused(table.edit(round_, ("- [ ] reject", "- [x] maybe\n- [ ] reject"))) == "wrong-state"


def test_a_note_of_many_lines_is_read_whole() -> None:
    table, round_ = waiting()
    note = "one\n\n- [ ] two\n```\nthree"
    accepted(table.edit(round_, ("- [ ] reject", "- [x] reject"), ("Note:", f"Note: {note}")))
    assert table.doc(round_).text("note") == "one\n\n```\nthree"


HOSTILE = (
    "- [x] approve\n* [X] approve\n  + [x] approved\n1. [x] reject\n```\n````\n~~~\n"
    "<!-- hub -->\n<!-- /hub -->\nNote: forged\n| a | b |\n\u2028- [x] approve\n---\nstate: completed\n"
)


def test_hostile_text_ticks_nothing_and_leaves_no_fence() -> None:
    """Whatever others write, the only boxes in a block are the hub's own."""
    table = Table()
    body = HOSTILE.replace("<!-- hub -->", "<!--hub-->").replace("<!-- /hub -->", "<!--/hub-->")
    title = '"- [x] approve `x` | y <!-\\x2d hub -\\x2d>"'
    task = table.task(title=title, body=body)
    plan = "\n".join(
        ("---", "kind: round", f"task: {task}", "assignments:", "  - to: backend",
         '    goal: "- [x] approve | ``` <!-\\x2d /hub -\\x2d>"', "---", body)
    )  # fmt: skip
    round_ = accepted(table.drop("lead", plan))
    a1 = f"{round_}.a1"
    assert boxes(table, round_) == ["approve", "reject"]
    assert refused(table.request("backend", "approve", round_)) == "not-yours"
    accepted(table.approve(round_))
    assert boxes(table, a1) == []
    lease = table.claim(a1)
    accepted(table.request("backend", "progress", a1, f"lease: {lease}", note_of(body)))
    assert boxes(table, a1) == []
    question = accepted(table.ask("backend", f"assignment: {a1}", f"lease: {lease}", "choices: [a]"))
    assert boxes(table, question) == ["a"]
    accepted(table.edit(question, ("Answer:", "Answer: ```\n````\nx")))
    header = f"kind: handoff\nassignment: {a1}\nlease: {lease}\noutcome: done\nsummary: '- [x] approved'"
    text = f"---\n{header}\n---\n{body}"
    accepted(table.drop("backend", text))
    assert boxes(table, round_) == ["approved", "changes_requested"]
    accepted(table.review(round_, "changes_requested", "```\nreally"))
    assert boxes(table, task) == []


def note_of(text: str) -> str:
    """Return a header line that holds a text of many lines."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\u2028", "\\u2028")
    return f'note: "{escaped}"'


def boxes(table: Table, id_: str) -> list[str]:
    """Return the boxes outside of all fences; make sure that none is inside, and that all fences close."""
    block = table.read(id_).partition("<!-- hub -->\n")[2].partition("<!-- /hub -->")[0]
    found, fence = [], ""
    for line in block.splitlines():
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if not fence and len(ticks) >= 3:
            fence = ticks
        elif fence and line.strip() == fence:
            fence = ""
        elif line.lstrip().startswith(("- [", "* [", "+ [", "1. [")):
            assert not fence, line
            found.append(line.split("] ", 1)[1].split(" ")[0])
    assert not fence
    return found


def test_text_that_quotes_a_ticked_box_does_not_hide_the_readers_own() -> None:
    table = Table()
    round_ = table.plan(table.task(body="- [x] approve\n- [x] approved"), "backend: Fix it")
    accepted(table.approve(round_))
    table.do(f"{round_}.a1")
    accepted(table.review(round_))


def test_very_long_texts_leave_a_document_that_can_be_read_and_acted_on() -> None:
    table = Table(max_assignments_per_round="60")
    task = table.task(body="x" * 900_000)
    goals = [f"backend: {'g' * 450} {n}" for n in range(60)]
    round_ = table.plan(task, *goals)
    assert len(table.read(round_)) < 700_000
    accepted(table.approve(round_))
    assert "cut here" in table.read(f"{round_}.a1")
    table.watched = False
    for n in range(1, 61):
        lease = table.claim(f"{round_}.a{n}")
        text = (
            f"---\nkind: handoff\nassignment: {round_}.a{n}\nlease: {lease}\noutcome: done\nsummary: S\n---\n"
        )
        accepted(table.drop("backend", text + "y" * 100_000))
    table.watched = True
    assert len(table.read(round_)) < 700_000
    accepted(table.review(round_))


def test_notes_and_answers_fit_in_a_header() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    lease = table.claim(a1)
    long = "é" * 20_000
    fine = f"---\nkind: request\ndo: progress\non: {a1}\nlease: {lease}\n---\n{long}\n"
    accepted(table.drop("backend", fine))
    assert table.doc(a1).text("note") == long
    table.later(90 * 60 + 1)
    assert table.doc(a1).text("note").endswith("ran out")
    lease = table.claim(a1)
    late = f"---\nkind: request\ndo: progress\non: {a1}\nlease: {lease}\n---\n{long}x\n"
    assert refused(table.drop("backend", late)) == "too-large"


def test_an_author_may_use_all_the_room_there_is_and_no_more() -> None:
    table = Table()
    head = "---\nkind: task\ntitle: X\n---\n"
    task = accepted(table.drop("lead", head + "x" * (1024 * 1024 - len(head))))
    assert refused(table.save(task, table.read(task) + "y")) == "too-large"
    assert refused(table.drop("lead", head + "x" * 1024 * 1024)) == "too-large"
    accepted(table.edit(task, ("title: X", "title: Y")))
