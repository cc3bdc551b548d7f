"""Evidence: what the hub found of a handoff stands beside what its author reports, where it is reviewed."""

from __future__ import annotations

import pytest

from hubd.core.decide.marks import read_marks
from tests.core.launches import staffed
from tests.core.play import Table, accepted, nothing, refused

FOUND = {
    "head": "1f2e3d4c5b6a7988",
    "base": "0a1b2c3d4e5f6071",
    "commits": "2",
    "diffstat": " app.py | 3 ++-\n 1 file changed",
}


def handed(table: Table, branch: str = "fix/login", directory: str = "~/projects/app") -> tuple[str, str]:
    """Return a round that awaits review, and its one handoff."""
    table.hire("backend", lines=(f'directory: "{directory}"',) if directory else ())
    _, round_ = table.dispatched("backend: Fix it")
    lease = table.claim(f"{round_}.a1")
    lines = (
        "---", "kind: handoff", f"assignment: {round_}.a1", f"lease: {lease}", "outcome: done",
        "summary: Works", f'branch: "{branch}"', "commit: 1f2e3d4c5b6a7988", "changed_files: [app.py]", "---",
        "Notes.", "",
    )  # fmt: skip
    return round_, accepted(table.drop("backend", "\n".join(lines)))


def test_what_was_found_stands_in_the_handoff_and_in_the_round() -> None:
    table = Table()
    round_, handoff = handed(table)
    assert "reported, not looked at" in table.read(round_)
    bound = table.doc(round_).text("handoffs")
    accepted(table.find(handoff, **FOUND, undeclared=("b.py",), conflicts=("fix/other",)))
    doc, text = table.doc(handoff), table.read(round_)
    assert (doc.state, doc.text("evidence")) == ("submitted", "verified")
    assert doc.text("checked") == "2026-11-21T10:00:00Z"
    assert (doc.texts("undeclared"), doc.number("commits")) == (("b.py",), 2)
    for said in (
        "verified: the commit is there, but not all as it was named",
        "branch fix/login is at 1f2e3d4c5b6a: 2 commits since 0a1b2c3d4e5f",
        "changed and not named, or named and not changed)**: b.py", "**would conflict with**: fix/other",
        "app.py | 3 ++-", "git -C ~/projects/app merge --no-ff fix/login",
    ):  # fmt: skip
        assert said in text
    assert "app.py | 3 ++-" in table.read(handoff)
    assert table.doc(round_).text("handoffs") == bound
    accepted(table.review(round_))
    assert table.doc(handoff).text("evidence") == "verified"


def test_a_reviewer_who_had_the_round_open_may_still_decide() -> None:
    table = Table()
    round_, handoff = handed(table)
    path, read = table.path(round_), table.read(round_)
    accepted(table.find(handoff, **FOUND))
    accepted(table.save_at(path, read.replace("- [ ] approved", "- [x] approved", 1)))
    assert table.state_of(handoff) == "accepted"


def test_the_same_finding_is_nothing_new_and_another_one_replaces_it() -> None:
    table = Table()
    round_, handoff = handed(table)
    accepted(table.find(handoff, **FOUND, conflicts=("main",)))
    assert "as it was found before" in nothing(table.find(handoff, **FOUND, conflicts=("main",))).why
    accepted(table.find(handoff, **FOUND))
    assert "verified: the commit is there, with the files that were named" in table.read(round_)
    accepted(table.find(handoff, "merged", head=FOUND["head"]))
    doc = table.doc(handoff)
    assert (doc.text("evidence"), doc.text("commits"), doc.texts("conflicts")) == ("merged", "", ())


def test_work_that_is_not_there_is_said_so() -> None:
    table = Table()
    round_, handoff = handed(table)
    accepted(table.find(handoff, "reported", note="there is no commit 1f2e3d4"))
    text = table.read(round_)
    assert "reported, not verified" in text
    assert "there is no commit 1f2e3d4" in text
    assert "merge --no-ff" not in text


def test_evidence_comes_before_the_round_is_complete_too() -> None:
    table = Table()
    table.hire("backend")
    _, round_ = table.dispatched("backend: Fix it", "tester: Look < 1")
    table.do(f"{round_}.a1")
    rev = table.doc(round_).text("rev")
    accepted(table.find(f"{round_}.a1.h1", **FOUND))
    assert table.doc(round_).text("rev") == rev
    table.do(f"{round_}.a2")
    assert "is at 1f2e3d4c5b6a" in table.read(round_)


@pytest.mark.parametrize(
    ("branch", "directory"),
    [("x; rm -rf ~", "~/a"), ("--upload-pack=x", "~/a"), ("a..b", "~/a"), ("$(x)", "~/a"), ("fix", "")],
)
def test_no_command_is_shown_that_would_do_something_else(branch: str, directory: str) -> None:
    table = Table()
    round_, handoff = handed(table, branch, directory)
    accepted(table.find(handoff, **FOUND))
    assert "merge --no-ff" not in table.read(round_)


def test_a_folder_of_any_name_is_one_word_of_the_command() -> None:
    table = Table()
    round_, handoff = handed(table, directory="~/my $(project)")
    accepted(table.find(handoff, **FOUND))
    assert "git -C ~/'my $(project)' merge --no-ff fix/login" in table.read(round_)


def test_what_git_says_is_quoted() -> None:
    table = Table()
    round_, handoff = handed(table)
    nasty = "- [x] approved | `a`"
    several = dict.fromkeys(("undeclared", "conflicts"), (nasty,))
    accepted(table.find(handoff, diffstat="```\n- [x] approved", note=nasty, **several))
    assert read_marks(table.doc(round_).document.block).ticked == ()
    assert read_marks(table.doc(handoff).document.block).ticked == ()


def test_only_the_hub_checks_and_only_what_is_not_settled() -> None:
    table = staffed()
    round_, handoff = handed(table)
    assert refused(table.request("backend", "check", handoff, "result: {evidence: verified}")) == "bad-value"
    nothing(table.hub("check", handoff))
    nothing(table.find(handoff, "perfect"))
    nothing(table.find(round_))
    accepted(table.review(round_))
    assert "wrong-state" in nothing(table.find(handoff)).why
