"""Worktrees after a crash, or after somebody meddled: mended, and nothing of anybody's lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from hubd.core.document import Value
from hubd.project import ProjectError, Repository, Worktree, prepare, retire, worktrees
from hubd.project.plumbing import HELD
from hubd.project.records import Shelf
from tests.shell.projects import HUB, ID, Project, environment

OLD = 1_700_000_000


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with environment(tmp_path / "me"):
        project = Project(tmp_path)
        project.write(".gitignore", ".env\n*.log\n")
        project.commit("app.py", "docs/read.md", message="First")
        yield project


def made(project: Project, id_: str = ID, after: tuple[str, ...] = (), **settings: Value) -> Worktree:
    return prepare(project.top, project.home, HUB, id_, settings, after)


def refused(project: Project, **settings: Value) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        made(project, **settings)
    assert caught.value.hint
    return caught.value


def test_called_again_it_returns_the_same_with_the_work_in_it(project: Project) -> None:
    first = made(project)
    tip = project.commit("one.py", at=first.path)
    project.write("dirty.py", at=first.path)
    project.commit("main.py")
    assert made(project) == replace(first, made=False)
    assert project.git("rev-parse", "HEAD", at=first.path) == tip
    assert (first.path / "dirty.py").exists()


def _stop_at(project: Project, marker: str) -> None:
    """Prepare in a process of its own, which is killed when it is about to call git with this word."""
    script = f"""
import os, signal, sys
from pathlib import Path
from hubd.project import plumbing, prepare
real = plumbing.run
def run(argv, **rest):
    if {marker!r} in argv and ({marker!r} != "symbolic-ref" or argv[-1] == "HEAD"):
        if {marker!r} == "worktree":
            real([*argv[:-2], "--no-checkout", *argv[-2:]], **rest)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(argv, **rest)
plumbing.run = run
prepare(Path({str(project.top)!r}), Path({str(project.home)!r}), {HUB!r}, {ID!r}, {{}})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("moment", ["update-ref", "worktree", "symbolic-ref", "status"])
def test_a_hub_that_was_killed_finds_its_way(project: Project, moment: str) -> None:
    before = project.fingerprint(".git/refs/heads/hub", ".git/logs/refs/heads/hub", ".git/worktrees")
    _stop_at(project, moment)
    worktree = made(project)
    assert (worktree.made, worktree.branch, worktree.path.name) == (True, f"hub/{ID}", ID)
    assert project.git("status", "--porcelain", at=worktree.path) == ""
    assert len(project.git("worktree", "list").splitlines()) == 2
    assert project.fingerprint(".git/refs/heads/hub", ".git/logs/refs/heads/hub", ".git/worktrees") == before


def test_a_half_made_folder_in_the_git_dir_is_cleared(project: Project) -> None:
    _stop_at(project, "update-ref")
    half = project.top / ".git" / "worktrees" / ID
    half.mkdir(parents=True)
    (half / "locked").write_text("initializing")
    os.utime(half, (OLD, OLD))
    worktree = made(project)
    assert (worktree.path / "app.py").exists()
    assert [folder.name for folder in half.parent.iterdir()] == [ID]


def test_locks_that_a_killed_git_has_left_are_removed(project: Project) -> None:
    worktree = made(project)
    admin = project.top / ".git" / "worktrees" / ID
    locks = [admin / "index.lock", admin / "HEAD.lock", project.top / ".git/refs/heads/hub" / f"{ID}.lock"]
    for lock in locks:
        lock.touch()
        os.utime(lock, (OLD, OLD))
    theirs = project.top / ".git" / "index.lock"
    theirs.touch()
    assert made(project) == replace(worktree, made=False)
    assert not any(lock.exists() for lock in locks)
    assert theirs.exists()
    project.commit("x.py", at=worktree.path)


def test_a_folder_that_was_deleted_is_made_again_from_its_branch(project: Project) -> None:
    worktree = made(project)
    tip = project.commit("one.py", at=worktree.path)
    shutil.rmtree(worktree.path)
    again = made(project)
    assert (again.path, again.branch, again.base, again.made) == (*_same(worktree), True)
    assert project.git("rev-parse", "HEAD", at=again.path) == tip
    assert "made again" in again.notes[-1]


def _same(worktree: Worktree) -> tuple[Path, str, str]:
    return worktree.path, worktree.branch, worktree.base


def test_a_folder_that_git_has_forgotten_is_kept_beside_a_new_one(project: Project) -> None:
    worktree = made(project)
    tip = project.commit("one.py", at=worktree.path)
    project.write("dirty.py", "work\n", worktree.path)
    shutil.rmtree(project.top / ".git" / "worktrees")
    again = made(project)
    assert again.path.name == f"{ID}-2"
    assert again.branch == worktree.branch
    assert project.git("rev-parse", "HEAD", at=again.path) == tip
    assert (worktree.path / "dirty.py").read_text() == "work\n"
    assert "left as it is" in again.notes[-1]


def test_a_project_that_was_cloned_anew_gets_a_new_worktree(project: Project) -> None:
    worktree = made(project)
    project.write("dirty.py", at=worktree.path)
    aside = project.folder / "aside"
    project.top.rename(aside)
    project.git("clone", "--quiet", str(aside), str(project.top), at=project.folder)
    project.git("branch", "--quiet", "--delete", "--remotes", f"origin/hub/{ID}")
    again = made(project)
    assert again.made
    assert again.path != worktree.path
    assert (worktree.path / "dirty.py").exists()


def test_a_branch_that_was_deleted_by_force_is_made_again(project: Project) -> None:
    worktree = made(project)
    project.commit("one.py", at=worktree.path)
    project.git("update-ref", "-d", f"refs/heads/{worktree.branch}")
    again = made(project)
    assert project.git("rev-parse", worktree.branch) == worktree.base
    assert (again.path / "one.py").exists()


@pytest.mark.parametrize("kind", ["gone", "other", "link", "folder"])
def test_a_git_file_that_an_agent_has_replaced_is_put_back(project: Project, kind: str) -> None:
    worktree = made(project)
    evil = Project(project.folder, "evil")
    evil.git("config", "core.fsmonitor", str(evil.trap()))
    link = worktree.path / ".git"
    right = link.read_text()
    link.unlink()
    if kind == "other":
        link.write_text(f"gitdir: {evil.top}/.git\n")
    elif kind == "link":
        link.symlink_to(evil.top / ".git")
    elif kind == "folder":
        shutil.copytree(evil.top / ".git", link)
    assert made(project) == replace(worktree, made=False)
    assert link.read_text() == right
    assert not link.is_symlink()
    assert project.git("status", "--porcelain", at=worktree.path) == ""
    assert not project.marker.exists()


def test_a_record_that_cannot_be_read_stops_and_says_where_it_is(project: Project) -> None:
    worktree = made(project)
    worktree.record.write_text("{")
    assert str(worktree.record) in refused(project).what
    assert worktree.path.exists()


def test_a_hub_that_is_killed_at_any_moment_leaves_what_the_next_one_mends(project: Project) -> None:
    for number in range(40):
        project.write(f"many/{number}", os.urandom(40_000))
    project.commit()
    script = f"""
import sys
from pathlib import Path
from hubd.project import ProjectError, Repository, Worktree, prepare, retire, worktrees
from hubd.project.plumbing import HELD
print("ready", flush=True)
sys.stdin.readline()
worktree = prepare(Path({str(project.top)!r}), Path({str(project.home)!r}), {HUB!r}, {ID!r}, {{}})
retire(worktree)
"""
    before = project.fingerprint()
    whole = 0.0
    for part in (100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11):  # of tenths of the time that it takes undisturbed
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as hub:
            assert hub.stdin is not None
            assert hub.stdout is not None
            hub.stdout.readline()
            began = time.monotonic()
            hub.stdin.write(b"go\n")
            hub.stdin.flush()
            try:
                hub.wait(timeout=whole * part / 10 if whole else 60)
            except subprocess.TimeoutExpired:
                hub.kill()
            whole = whole or time.monotonic() - began
        worktree = made(project)
        assert worktree.branch == f"hub/{ID}"
        assert project.git("status", "--porcelain", at=worktree.path) == ""
        assert len(os.listdir(worktree.path / "many")) == 40
        assert retire(worktree) == "removed"
        assert project.fingerprint() == before
        assert list(worktrees(project.home)) == []


def test_a_git_that_outlives_its_hub_is_waited_for(project: Project) -> None:
    shelf = Shelf.of(project.home, Repository(project.top), HUB)
    with shelf.held(ID):
        fd = HELD.get()[0]
        orphan = subprocess.Popen(["sleep", "0.4"], pass_fds=(fd,))
    began = time.monotonic()
    worktree = made(project)
    assert orphan.poll() == 0
    assert time.monotonic() - began > 0.2
    assert worktree.made


def test_many_worktrees_of_one_project_are_made_and_removed_at_once(project: Project) -> None:
    before = project.fingerprint()
    ids = [f"t.r1.a{number}" for number in range(1, 9)]
    with ThreadPoolExecutor(len(ids)) as pool:
        trees = list(pool.map(lambda id_: made(project, id_), ids))
        assert len({tree.path for tree in trees}) == len(ids)
        assert list(pool.map(retire, trees)) == ["removed"] * len(ids)
    assert project.fingerprint() == before
    assert not list(project.home.iterdir())


def test_one_worktree_that_is_asked_for_twice_at_once_is_made_once(project: Project) -> None:
    with ThreadPoolExecutor(4) as pool:
        trees = list(pool.map(lambda _: made(project), range(4)))
    assert len({tree.path for tree in trees}) == 1
    assert [tree.made for tree in trees].count(True) == 1
