"""Worktrees that are not needed any more: kept while they hold work, and removed without a trace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hubd.core.document import Value
from hubd.project import ProjectError, Worktree, prepare, retire, worktrees
from hubd.project.records import Shelf, load
from tests.shell.projects import HUB, ID, Project, environment

OLD = 1_700_000_000


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with environment(tmp_path / "me"):
        project = Project(tmp_path)
        project.write(".gitignore", ".env\n*.log\nbuild/\n")
        project.commit("app.py", "docs/read.md", message="First")
        yield project


def made(project: Project, id_: str = ID, after: tuple[str, ...] = (), **settings: Value) -> Worktree:
    return prepare(project.top, project.home, HUB, id_, settings, after)


def kept(project: Project) -> bool:
    """Whether all of it is there."""
    return (project.top / ".git/worktrees" / ID).exists() and f"hub/{ID}" in project.branches()


def test_an_empty_one_is_removed_with_its_branch(project: Project) -> None:
    before = project.fingerprint()
    worktree = made(project)
    project.write("x.log", at=worktree.path)
    assert [listed.state for listed in worktrees(project.home)] == ["empty"]
    assert retire(worktree) == "removed"
    assert project.fingerprint() == before
    assert not list(project.home.iterdir())
    assert retire(worktree) == "removed"
    assert list(worktrees(project.home)) == []


def test_work_that_is_not_merged_is_kept(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.commit("two.py", at=worktree.path)
    assert retire(worktree) == "kept: 2 commits not merged"
    project.write("three.py", at=worktree.path)
    assert retire(worktree) == "kept: uncommitted work"
    assert kept(project)


def test_a_deletion_and_a_staged_change_are_work(project: Project) -> None:
    worktree = made(project)
    (worktree.path / "app.py").unlink()
    assert retire(worktree) == "kept: uncommitted work"
    project.git("rm", "--quiet", "--cached", "app.py", at=worktree.path)
    assert retire(worktree) == "kept: uncommitted work"


@pytest.mark.parametrize("how", ["merge", "fast-forward", "squash", "other branch", "pushed"])
def test_work_that_is_merged_is_removed(project: Project, how: str) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    tip = project.commit("two.py", at=worktree.path)
    if how == "merge":
        project.git("merge", "--quiet", "--no-ff", "-m", "Merge", worktree.branch)
    elif how == "fast-forward":
        project.git("merge", "--quiet", "--ff-only", worktree.branch)
    elif how == "squash":
        project.git("merge", "--quiet", "--squash", worktree.branch)
        project.git("commit", "--quiet", "-m", "Squashed")
        project.commit("later.py")
    elif how == "other branch":
        project.git("branch", "integration", tip)
    else:
        project.git("update-ref", "refs/remotes/origin/main", tip)
    assert [listed.state for listed in worktrees(project.home)] == ["merged"]
    assert retire(worktree) == "removed"
    assert not worktree.path.exists()
    assert worktree.branch not in project.branches()


def test_a_branch_that_git_has_packed_is_removed_alone(project: Project) -> None:
    worktree = made(project)
    project.git("branch", "other")
    project.git("pack-refs", "--all")
    assert retire(worktree) == "removed"
    assert sorted(project.branches()) == ["main", "other"]


def test_a_pushed_branch_of_the_hubs_is_not_merged(project: Project) -> None:
    worktree = made(project)
    tip = project.commit("one.py", at=worktree.path)
    project.git("update-ref", f"refs/remotes/origin/{worktree.branch}", tip)
    made(project, "t.r1.a2", (worktree.branch,))
    assert retire(worktree) == "kept: 1 commit not merged"


def test_work_that_undoes_itself_is_kept(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.git("revert", "--no-edit", "HEAD", at=worktree.path)
    assert retire(worktree) == "kept: 2 commits not merged"


def test_work_that_was_squashed_and_then_changed_is_kept(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.git("merge", "--quiet", "--squash", worktree.branch)
    project.write("one.py", "otherwise\n")
    project.commit()
    assert retire(worktree) == "kept: 1 commit not merged"


def test_a_start_that_the_hub_has_merged_is_no_work(project: Project) -> None:
    branches = []
    for number in (1, 2):
        worktree = made(project, f"t.r1.a{number}")
        project.commit(f"{number}.py", at=worktree.path)
        branches.append(worktree.branch)
    last = made(project, "t.r1.a3", tuple(branches))
    assert retire(last) == "removed"
    assert sorted(project.branches()) == [*branches, "main"]


def test_commits_on_no_branch_are_work(project: Project) -> None:
    worktree = made(project)
    project.git("switch", "--quiet", "--detach", at=worktree.path)
    project.commit("one.py", at=worktree.path)
    assert retire(worktree) == "kept: commits on no branch"


def test_a_branch_of_the_agents_own_stays(project: Project) -> None:
    worktree = made(project)
    project.git("switch", "--quiet", "--create", "fix/login", at=worktree.path)
    project.commit("one.py", at=worktree.path)
    assert retire(worktree) == "removed"
    assert sorted(project.branches()) == ["fix/login", "main"]


def test_what_was_made_read_only_is_removed_and_what_a_link_leads_to_is_not(project: Project) -> None:
    worktree = made(project)
    cache = project.write("build/cache/x", at=worktree.path)
    (worktree.path / "build" / "out").symlink_to(project.folder / "me")
    cache.parent.chmod(0o500)
    assert retire(worktree) == "removed"
    assert (project.folder / "me" / "gitconfig").exists()


def test_a_removal_that_was_interrupted_is_gone_on_with(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.git("merge", "--quiet", "--ff-only", worktree.branch)
    record = load(worktree.record)
    assert record is not None
    Shelf(worktree.path.parent).write(replace(record, state="removing", again=True))
    (worktree.path / "app.py").unlink()
    assert retire(worktree) == "removed"
    assert project.branches() == ["main"]
    assert not (project.top / ".git" / "worktrees").exists()


def test_an_interrupted_removal_may_be_followed_by_a_new_start(project: Project) -> None:
    worktree = made(project)
    record = load(worktree.record)
    assert record is not None
    Shelf(worktree.path.parent).write(replace(record, state="removing", again=True))
    shutil.rmtree(worktree.path)
    again = made(project)
    assert again.made
    assert project.git("status", "--porcelain", at=again.path) == ""


def test_a_worktree_whose_project_is_gone_is_kept_and_listed(project: Project) -> None:
    worktree = made(project)
    project.top.rename(project.folder / "moved")
    assert retire(worktree).startswith("kept: its project")
    listed = next(worktrees(project.home))
    assert listed.state.endswith("is gone")
    assert listed.path == worktree.path


def test_a_list_shows_every_worktree_and_changes_nothing(project: Project) -> None:
    one = made(project, "t.r1.a1")
    two = made(project, "t.r1.a2")
    project.commit("x.py", at=two.path)
    made(project, "t.r1.a3").record.write_text("broken")
    with pytest.raises(ProjectError):
        made(project, "t.r1.a4", setup="false")
    before = project.fingerprint()
    listed = list(worktrees(project.home))
    assert [entry.assignment for entry in listed] == ["t.r1.a1", "t.r1.a2", "t.r1.a3", "t.r1.a4"]
    states = [entry.state for entry in listed]
    assert states[:2] == ["empty", "1 commit not merged"]
    assert states[2].startswith("lost: ")
    assert states[3] == "unfinished"
    assert (listed[0].path, listed[0].project, listed[0].hub) == (one.path, str(project.top), HUB)
    assert project.fingerprint() == before
    assert list(worktrees(project.folder / "nowhere")) == []


def test_an_unfinished_one_is_removed(project: Project) -> None:
    before = project.fingerprint()
    with pytest.raises(ProjectError):
        made(project, setup="false")
    shelf = next(project.home.iterdir())
    unfinished = Worktree(shelf / ID, f"hub/{ID}", "", False, (), shelf / ".hubd" / f"{ID}.json")
    assert retire(unfinished) == "removed"
    assert project.fingerprint() == before
