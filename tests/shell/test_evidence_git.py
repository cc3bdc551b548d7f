"""What a handoff says against what is there: every way to be right, wrong, early and late."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.core.document import Value
from hubd.project import Evidence, Worktree, commit_all, examine, prepare
from hubd.project import merging as merging_module
from tests.shell.projects import HUB, ID, Project, environment


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with environment(tmp_path / "me"):
        project = Project(tmp_path)
        project.commit("app.py", "docs/read.md", message="First")
        yield project


def made(project: Project, id_: str = ID, after: tuple[str, ...] = (), **settings: Value) -> Worktree:
    return prepare(project.top, project.home, HUB, id_, settings, after)


def test_work_that_is_there_as_it_was_named_is_verified(project: Project) -> None:
    worktree = made(project)
    project.write("new.py", "one\ntwo\n", worktree.path)
    project.write("app.py", "changed\n", worktree.path)
    tip = project.commit(at=worktree.path)
    project.commit("main.py")
    found = examine(
        project.top,
        branch=worktree.branch,
        commit=tip[:10],
        changed_files=["./new.py", "app.py"],
        worktree=worktree,
    )
    stat = "app.py | +1 -1\nnew.py | +2 -0\n2 files changed, +3 -1"
    assert found == Evidence("verified", tip, worktree.base, 1, stat)
    assert found.result() == {
        "evidence": "verified", "head": tip, "base": worktree.base, "commits": "1", "diffstat": stat,
    }  # fmt: skip


def test_a_commit_that_the_hub_made_is_verified_by_its_branch(project: Project) -> None:
    worktree = made(project)
    project.write("new.py", at=worktree.path)
    tip = commit_all(worktree, "backend", "backend@hub1", "Work")
    found = examine(project.top, changed_files=["new.py"], worktree=worktree)
    assert (found.evidence, found.head) == ("verified", tip)


def test_files_of_which_only_one_side_knows_are_listed(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", "two.py", at=worktree.path)
    found = examine(project.top, changed_files=["one.py", "three.py"], worktree=worktree)
    assert found.evidence == "reported"
    assert found.undeclared == ("changed, not named: two.py", "named, not changed: three.py")


def test_naming_no_files_verifies_nothing(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    found = examine(project.top, worktree=worktree)
    assert (found.evidence, found.undeclared) == ("reported", ())
    assert "no changed files were named" in found.note
    assert "one.py" in found.diffstat


@pytest.mark.parametrize("named", [["new.py"], ["app.py", "new.py"]])
def test_a_renamed_file_goes_by_its_new_name_and_perhaps_its_old(project: Project, named: list[str]) -> None:
    worktree = made(project)
    project.git("mv", "app.py", "new.py", at=worktree.path)
    project.commit(at=worktree.path)
    found = examine(project.top, changed_files=named, worktree=worktree)
    assert found.evidence == "verified"
    assert "new.py (was app.py) | +0 -0" in found.diffstat


def test_an_empty_branch_is_never_more_than_reported(project: Project) -> None:
    worktree = made(project)
    for commit in ("", worktree.base):
        found = examine(project.top, commit=commit, changed_files=["app.py"], worktree=worktree)
        assert found.evidence == "reported"
        assert "no commit of its own" in found.note
    project.write("app.py", "dirty\n", worktree.path)
    assert "not committed in the worktree: app.py" in examine(project.top, worktree=worktree).note


@pytest.mark.parametrize(
    ("branch", "commit", "note"),
    [
        ("missing", "", "there is no branch missing"),
        ("--all", "", "there is no branch --all"),
        ("", "0" * 40, "there is no commit 0000"),
        ("", "OTHER", "is not on the branch"),
        ("", "BASE", "is older than the assignment"),
    ],
)
def test_a_claim_that_does_not_hold_is_said(project: Project, branch: str, commit: str, note: str) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    oid = {"OTHER": project.commit("main.py"), "BASE": worktree.base}.get(commit, commit)
    found = examine(project.top, branch=branch, commit=oid, changed_files=["one.py"], worktree=worktree)
    assert found.evidence == "reported"
    assert note in found.note


def test_later_commits_on_the_branch_are_said(project: Project) -> None:
    worktree = made(project)
    first = project.commit("one.py", at=worktree.path)
    project.commit("two.py", at=worktree.path)
    found = examine(project.top, commit=first, changed_files=["one.py", "two.py"], worktree=worktree)
    assert (found.evidence, found.commits) == ("verified", 2)
    assert "the branch has 1 later than" in found.note


@pytest.mark.parametrize("how", ["merge", "fast-forward", "squash"])
def test_what_the_base_has_is_merged(project: Project, how: str) -> None:
    worktree = made(project)
    tip = project.commit("one.py", at=worktree.path)
    if how == "merge":
        project.git("merge", "--quiet", "--no-ff", "-m", "Merge", worktree.branch)
    elif how == "fast-forward":
        project.git("merge", "--quiet", "--ff-only", worktree.branch)
    else:
        project.git("merge", "--quiet", "--squash", worktree.branch)
        project.git("commit", "--quiet", "-m", "Squashed")
    project.commit("later.py")
    found = examine(project.top, commit=tip, changed_files=["one.py"], worktree=worktree)
    assert (found.evidence, found.commits, found.undeclared) == ("merged", 1, ())
    assert found.diffstat.startswith("one.py | +1 -0")


def test_an_agent_that_worked_on_the_base_itself_is_held_to_its_commit(project: Project) -> None:
    tip = project.commit("one.py")
    right = examine(project.top, branch="main", commit=tip, changed_files=["one.py"])
    assert (right.evidence, right.commits) == ("merged", 1)
    wrong = examine(project.top, branch="main", commit=tip, changed_files=["two.py"])
    assert wrong.evidence == "reported"
    assert examine(project.top, branch="main", changed_files=["one.py"]).evidence == "reported"


def test_a_branch_in_the_persons_own_checkout_is_examined_without_a_worktree(project: Project) -> None:
    project.git("switch", "--quiet", "--create", "fix/login")
    tip = project.commit("one.py")
    for branch in ("fix/login", "refs/heads/fix/login"):
        found = examine(project.top, branch=branch, commit=tip, changed_files=["one.py"])
        assert (found.evidence, found.commits) == ("verified", 1)
    alone = examine(project.top, commit=tip, changed_files=["one.py"])
    assert (alone.evidence, alone.head) == ("reported", tip)
    assert "no branch was named" in alone.note
    assert "neither a branch nor a commit" in examine(project.top).note


def test_what_a_branch_took_in_from_the_base_is_not_its_work(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.commit("main.py")
    project.git("merge", "--quiet", "-m", "Take in main", "main", at=worktree.path)
    found = examine(project.top, changed_files=["one.py"], worktree=worktree)
    assert found.evidence == "verified"
    assert found.commits == 2


def test_a_branch_that_was_rebased_is_counted_from_where_it_is_now(project: Project) -> None:
    project.commit("main.py")
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.git("rebase", "--quiet", "--onto", "main~1", "main", at=worktree.path)
    found = examine(project.top, changed_files=["one.py"], worktree=worktree)
    assert (found.evidence, found.commits) == ("verified", 1)


def test_work_after_anothers_is_told_from_that_ones(project: Project) -> None:
    first = made(project, "t.r1.a1")
    project.commit("one.py", at=first.path)
    second = made(project, "t.r1.a2", (first.branch,))
    project.commit("two.py", at=second.path)
    found = examine(project.top, changed_files=["two.py"], worktree=second, others=[first.branch])
    assert (found.evidence, found.commits, found.conflicts) == ("verified", 1, ())


def test_unrelated_histories_are_reported(project: Project) -> None:
    project.git("switch", "--quiet", "--orphan", "alone")
    project.commit("x")
    found = examine(project.top, branch="alone", changed_files=["x"], base="main")
    assert found.evidence == "reported"
    assert "no common history" in found.note


# conflicts


def test_conflicts_with_the_base_and_with_the_rounds_other_branches_are_forecast(project: Project) -> None:
    trees = [made(project, f"t.r1.a{number}") for number in (1, 2, 3)]
    for number, tree in enumerate(trees):
        project.write("app.py" if number < 2 else "three.py", f"{number}\n", tree.path)
        project.commit(at=tree.path)
    others = [tree.branch for tree in trees] + ["gone"]
    found = examine(project.top, changed_files=["app.py"], worktree=trees[0], others=others)
    assert found.evidence == "verified"
    assert found.conflicts == ("hub/t.r1.a2: app.py",)
    project.write("app.py", "the person's\n")
    project.commit()
    found = examine(project.top, changed_files=["app.py"], worktree=trees[0], others=others)
    assert found.conflicts == ("main: app.py", "hub/t.r1.a2: app.py")


def test_a_forecast_goes_by_the_attributes_of_the_checkout(project: Project) -> None:
    project.write(".gitattributes", "app.py merge=union\n")
    project.commit()
    worktree = made(project)
    project.write("app.py", "agent\n", worktree.path)
    project.commit(at=worktree.path)
    project.write("app.py", "person\n")
    project.commit()
    assert examine(project.top, worktree=worktree).conflicts == ()


def test_a_forecast_leaves_nothing_in_the_project(project: Project) -> None:
    worktree = made(project)
    project.write("app.py", "agent\n", worktree.path)
    project.commit(at=worktree.path)
    project.write("app.py", "person\n")
    project.commit()
    objects = sorted(os.walk(project.top / ".git" / "objects"))
    before = project.fingerprint()
    assert examine(project.top, changed_files=["app.py"], worktree=worktree).conflicts == ("main: app.py",)
    assert sorted(os.walk(project.top / ".git" / "objects")) == objects
    assert project.fingerprint() == before


def test_a_git_without_the_forecast_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging_module, "version", lambda: (2, 30, 2))
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    found = examine(project.top, changed_files=["one.py"], worktree=worktree)
    assert found.evidence == "verified"
    assert "no forecast of a merge with main" in found.note


# bounds, and hostile names


def test_odd_names_are_compared_exactly_and_shown_safely(project: Project) -> None:
    worktree = made(project)
    odd = os.fsdecode(b"a\nb\xff\xe2\x80\xae.py")
    project.write(odd, at=worktree.path)
    project.write("größe.py", at=worktree.path)
    project.commit(at=worktree.path)
    shown = "a\\nb\\xff\\u202e.py"
    for name in (odd, shown):
        found = examine(project.top, changed_files=[name, "größe.py"], worktree=worktree)
        assert found.evidence == "verified"
    assert shown in found.diffstat
    assert examine(project.top, changed_files=["größe.py"], worktree=worktree).undeclared == (
        f"changed, not named: {shown}",
    )


def test_a_large_change_is_cut_short(project: Project) -> None:
    worktree = made(project)
    for number in range(300):
        project.write(f"{'long' * 50}{number}", at=worktree.path)
    project.write("image.png", b"\x89PNG\0\0", worktree.path)
    project.commit(at=worktree.path)
    found = examine(project.top, changed_files=["x"], worktree=worktree)
    assert found.diffstat.count("\n") == 41
    assert found.diffstat.endswith("and 261 more\n301 files changed, +300 -0")
    assert len(found.diffstat) < 8000
    assert len(found.undeclared) == 51
    assert found.undeclared[-1] == "and 252 more"
    listed = examine(project.top, changed_files=["image.png"], worktree=worktree)
    assert "image.png | binary" in listed.diffstat


def test_what_cannot_be_looked_at_is_reported_with_the_reason(project: Project) -> None:
    found = examine(project.folder, branch="main")
    assert (found.evidence, found.result()) == ("reported", {"evidence": "reported", "note": found.note})
    assert "not in a git repository" in found.note
    assert "base nothing" in examine(project.top, branch="main", base="nothing").note
    worktree = made(project)
    project.top.rename(project.folder / "moved")
    assert "no folder" in examine(project.top, worktree=worktree).note


def test_nothing_runs_while_it_looks(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.plant_hooks()
    trap = str(project.trap())
    for key in ("core.fsmonitor", "diff.external", "diff.x.textconv", "diff.x.command", "core.pager"):
        project.git("config", key, trap)
    project.write(".gitattributes", "* diff=x\n")
    assert examine(project.top, changed_files=["one.py"], worktree=worktree).evidence == "verified"
    assert not project.marker.exists()
