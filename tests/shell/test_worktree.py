"""Worktrees of a real project: where they start, what is in them, and how they are mended."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubd.core.document import Value
from hubd.project import ProjectError, Repository, Worktree, find, prepare, read_wishes
from hubd.project.records import Shelf, load
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


# where it lies, and where it starts


def test_a_worktree_lies_outside_the_project_on_a_branch_of_its_own(project: Project) -> None:
    worktree = made(project)
    assert worktree.path.parent.parent == project.home
    assert worktree.path.name == ID
    assert worktree.path.parent.name.startswith("login-app-")
    assert worktree.branch == f"hub/{ID}"
    assert worktree.made
    assert worktree.notes == ()
    assert project.git("symbolic-ref", "--short", "HEAD", at=worktree.path) == worktree.branch
    assert project.git("status", "--porcelain", "--ignored", at=worktree.path) == ""
    assert (worktree.path / "app.py").read_text() == "app.py by First\n"


def test_a_worktree_may_not_lie_inside_the_project(project: Project) -> None:
    for home in (project.top / "state", project.top / ".git" / "hubd"):
        with pytest.raises(ProjectError, match="inside the project"):
            prepare(project.top, home, HUB, ID, {})
        assert not home.exists()


def test_the_work_starts_from_the_default_branch_and_not_from_what_is_dirty(project: Project) -> None:
    main = project.git("rev-parse", "main")
    project.git("switch", "--quiet", "--create", "feature")
    project.commit("feature.py")
    project.write("app.py", "dirty\n")
    project.write("staged.py")
    project.git("add", "staged.py")
    worktree = made(project)
    assert worktree.base == main
    assert sorted(os.listdir(worktree.path)) == [".git", ".gitignore", "app.py", "docs"]


@pytest.mark.parametrize("base", ["feature", "v1", "up/feature", "COMMIT"])
def test_a_card_may_name_another_base(project: Project, base: str) -> None:
    project.git("switch", "--quiet", "--create", "feature")
    tip = project.commit("feature.py")
    project.git("tag", "v1")
    project.git("update-ref", "refs/remotes/up/feature", tip)
    project.git("switch", "--quiet", "main")
    worktree = made(project, base=tip[:12] if base == "COMMIT" else base)
    assert worktree.base == tip
    assert project.git("config", "--get-regexp", "^branch", ok=False) == ""


@pytest.mark.parametrize("base", ["missing", "--detach", "main~1", "@{-1}"])
def test_a_base_that_is_not_there_is_refused(project: Project, base: str) -> None:
    refused(project, base=base)
    assert not [name for name in project.branches() if name.startswith("hub/")]


def test_a_project_without_a_commit_is_refused(project: Project) -> None:
    empty = Project(project.folder, "empty")
    assert "no commit yet" in refused(empty).what


def test_what_comes_after_another_starts_from_its_branch(project: Project) -> None:
    first = made(project, "t.r1.a1")
    tip = project.commit("one.py", at=first.path)
    second = made(project, "t.r1.a2", (first.branch,))
    assert second.base == tip
    assert (second.path / "one.py").exists()


def test_what_comes_after_several_has_them_all(project: Project) -> None:
    branches = []
    for number in (1, 2, 3):
        worktree = made(project, f"t.r1.a{number}")
        project.commit(f"{number}.py", at=worktree.path)
        branches.append(worktree.branch)
    last = prepare(project.top, project.home, HUB, "t.r1.a4", {}, branches, ("ada", "ada@hub"))
    assert last.notes == ()
    assert {"1.py", "2.py", "3.py"} <= set(os.listdir(last.path))
    assert project.git("log", "-1", "--format=%an %cn", at=last.path) == "ada hubd"
    assert project.git("status", "--porcelain", at=last.path) == ""


def test_what_would_conflict_is_left_out_and_said(project: Project) -> None:
    branches = []
    for number in (1, 2, 3):
        worktree = made(project, f"t.r1.a{number}")
        project.write("app.py" if number < 3 else "three.py", f"{number}\n", worktree.path)
        project.commit(at=worktree.path)
        branches.append(worktree.branch)
    last = made(project, "t.r1.a4", tuple(branches))
    assert (last.path / "app.py").read_text() == "1\n"
    assert (last.path / "three.py").exists()
    assert len(last.notes) == 1
    assert "hub/t.r1.a2" in last.notes[0]
    assert "app.py" in last.notes[0]


def test_a_branch_that_was_merged_and_removed_is_in_the_base(project: Project) -> None:
    first = made(project, "t.r1.a1")
    project.commit("one.py", at=first.path)
    project.git("merge", "--quiet", "--no-ff", "-m", "Merge", first.branch)
    later = project.commit("later.py")
    merged = made(project, "t.r1.a2", (first.branch,))
    assert merged.base == later
    gone = made(project, "t.r1.a3", ("hub/t.r0.a1",))
    assert gone.base == later
    assert "hub/t.r0.a1 is gone" in gone.notes[0]


def test_a_branch_that_another_holds_is_not_merged_twice(project: Project) -> None:
    first = made(project, "t.r1.a1")
    project.commit("one.py", at=first.path)
    second = made(project, "t.r1.a2", (first.branch,))
    tip = project.commit("two.py", at=second.path)
    assert made(project, "t.r1.a3", (first.branch, second.branch)).base == tip


# names that are taken


def test_a_persons_branch_of_that_name_is_left_alone(project: Project) -> None:
    project.git("branch", f"hub/{ID}")
    worktree = made(project)
    assert worktree.branch == f"hub/{ID}-2"
    assert worktree.path.name == f"{ID}-2"
    assert made(project) == replace(worktree, made=False)


def test_two_hubs_do_not_meet_in_one_project(project: Project) -> None:
    one = made(project)
    two = prepare(project.top, project.home, "f" * 32, ID, {})
    assert one.path != two.path
    assert one.branch != two.branch
    assert find(project.home, HUB, ID) == replace(one, made=False)
    assert find(project.home, "f" * 32, ID) == replace(two, made=False)
    assert find(project.home, HUB, "t-1.r1.a1") is None


def test_a_branch_called_hub_is_in_the_way_and_is_named(project: Project) -> None:
    project.git("branch", "hub")
    error = refused(project)
    assert "a branch called hub" in error.what
    assert "git branch -m hub" in error.hint


@pytest.mark.parametrize("id_", ["../x", "a/b", "-x", "", "x" * 200, "x\n", "x.lock"])
def test_an_id_becomes_a_path_only_if_it_is_one(project: Project, id_: str) -> None:
    with pytest.raises(ProjectError):
        made(project, id_)
    assert project.branches() == ["main"]


# copies


def test_files_are_copied_from_the_persons_checkout(project: Project) -> None:
    project.write(".env", "KEY=1\n").chmod(0o600)
    project.write("conf/local/x.log", b"\x00\xff")
    worktree = made(project, copy=(".env", "conf/local/x.log"))
    assert (worktree.path / ".env").read_text() == "KEY=1\n"
    assert (worktree.path / ".env").stat().st_mode & 0o777 == 0o600
    assert (worktree.path / "conf/local/x.log").read_bytes() == b"\x00\xff"
    assert worktree.notes == ()


def test_a_copy_that_git_would_commit_is_said(project: Project) -> None:
    project.write("local.yaml")
    worktree = made(project, copy="local.yaml")
    assert "local.yaml was copied here and is not ignored" in worktree.notes[0]


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", ".git/config", "", "a//b", ".", ".GIT/x"]
)
def test_a_copy_from_outside_is_refused(project: Project, name: str) -> None:
    assert "`copy` of `worktree:`" in refused(project, copy=(name,)).what


def test_a_copy_is_never_made_through_a_link_nor_of_anything_but_a_file(project: Project) -> None:
    (project.folder / "secret").write_text("secret\n")
    (project.top / "link").symlink_to(project.folder / "secret")
    (project.top / "linked").symlink_to(project.folder)
    os.mkfifo(project.top / "fifo")
    (project.top / "folder").mkdir()
    for name in ("link", "linked/secret", "fifo", "folder", "missing"):
        assert name in refused(project, copy=(name,)).what


def test_a_copy_does_not_follow_a_link_that_the_project_holds(project: Project) -> None:
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    (project.top / "conf").symlink_to(elsewhere)
    project.commit()
    (project.top / "conf").unlink()
    project.write("conf/x.log", "mine\n")
    assert "conf/x.log" in refused(project, copy=("conf/x.log",)).what
    assert not list(elsewhere.iterdir())


def test_a_bare_repository_has_nothing_to_copy_from(project: Project) -> None:
    project.git("clone", "--quiet", "--bare", ".", "../shared.git")
    bare = project.folder / "shared.git"
    with pytest.raises(ProjectError, match="bare repository"):
        prepare(bare, project.home, HUB, ID, {"copy": (".env",)})
    assert (prepare(bare, project.home, HUB, ID, {}).path / "app.py").exists()


# setup


def test_the_setup_runs_in_the_worktree_without_a_shell(project: Project) -> None:
    worktree = made(project, setup=("touch", "a.log", "$HOME;b.log"))
    assert {"a.log", "$HOME;b.log"} <= set(os.listdir(worktree.path))
    again = made(project, "t.r1.a2", setup=(("touch", "1.log"), ("cp", "1.log", "2.log")))
    assert (again.path / "2.log").exists()


def test_the_setup_is_not_run_again_in_a_worktree_that_is_there(project: Project) -> None:
    setup = ("sh", "-c", "echo x >> count.log")
    made(project, setup=setup)
    worktree = made(project, setup=setup)
    assert not worktree.made
    assert (worktree.path / "count.log").read_text() == "x\n"


def test_a_setup_that_fails_says_what_it_said_and_is_tried_again(project: Project) -> None:
    script = "echo one; echo two >&2; test -e %s" % (project.folder / "ready")
    error = refused(project, setup=("sh", "-c", script))
    assert "ended with 1" in error.what
    assert error.output == "one\ntwo"
    shelf = Shelf.of(project.home, Repository(project.top), HUB)
    assert shelf.log(ID).read_text().endswith("one\ntwo\n")
    (project.folder / "ready").touch()
    assert made(project, setup=("sh", "-c", script)).branch == f"hub/{ID}"


def test_a_setup_has_a_limit_and_leaves_no_process(project: Project) -> None:
    pid = project.folder / "pid"
    began = time.monotonic()
    with pytest.raises(ProjectError, match="took longer"):
        prepare(
            project.top, project.home, HUB, ID,
            {"setup": ("sh", "-c", f"sleep 600 & echo $! > {pid}; wait")}, limit=0.5,
        )  # fmt: skip
    assert time.monotonic() - began < 20
    stat = Path(f"/proc/{pid.read_text().strip()}/stat")
    for _ in range(500):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        pytest.fail("the setup's child is still there")


def test_a_setup_gets_no_secret_of_the_hubs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "canary")
    worktree = made(project, setup=("sh", "-c", "env > env.log"))
    assert "canary" not in (worktree.path / "env.log").read_text()
    given = prepare(
        project.top, project.home, HUB, "t.r1.a2", {"setup": ("sh", "-c", "env > env.log")},
        environment={"PATH": os.environ["PATH"], "MINE": "1"},
    )  # fmt: skip
    assert "MINE=1" in (given.path / "env.log").read_text()


def test_a_setup_that_changes_the_projects_configuration_is_told_on(project: Project) -> None:
    worktree = made(project, setup=("git", "config", "core.autocrlf", "input"))
    assert any("configuration" in note for note in worktree.notes)


@pytest.mark.parametrize(
    "settings",
    [{"bsae": "main"}, {"base": ("a",)}, {"base": "a b"}, {"copy": {"a": "b"}}, {"copy": (("a",),)},
     {"setup": ("make", ("deps",))}, {"setup": ((),)}, {"setup": ("",)}, {"setup": {"a": "b"}}],
)  # fmt: skip
def test_a_card_that_asks_wrongly_is_told_the_form(settings: dict[str, Any]) -> None:
    with pytest.raises(ProjectError) as caught:
        read_wishes(settings)
    assert caught.value.hint


def test_a_card_may_ask_for_nothing() -> None:
    assert read_wishes({}) == read_wishes({"base": "", "copy": (), "setup": (), "x-why": "y"})


# the projects there are


def test_a_project_with_locked_and_missing_worktrees_keeps_them(project: Project) -> None:
    project.git("worktree", "add", "--quiet", "--lock", "--reason", "usb", "../locked")
    project.git("worktree", "add", "--quiet", "../missing")
    shutil.rmtree(project.folder / "locked")
    shutil.rmtree(project.folder / "missing")
    before = project.git("worktree", "list", "--porcelain")
    worktree = made(project)
    project.git("gc", "--quiet")
    shutil.rmtree(worktree.path)
    made(project)
    assert project.git("worktree", "list", "--porcelain").startswith(before)


def test_a_worktree_of_the_persons_own_is_a_project(project: Project) -> None:
    project.git("worktree", "add", "--quiet", "../other")
    other = project.folder / "other"
    project.write(".env", "other\n", other)
    worktree = prepare(other, project.home, HUB, ID, {"copy": ".env"})
    assert (worktree.path / ".env").read_text() == "other\n"
    assert made(project) == replace(worktree, made=False)


def test_a_project_with_submodules_says_that_they_are_not_checked_out(project: Project) -> None:
    library = Project(project.folder, "library")
    library.commit("lib.py")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.top), "lib")
    project.commit()
    worktree = made(project)
    assert "submodules are not checked out" in worktree.notes[0]
    assert not list((worktree.path / "lib").iterdir())


def test_a_submodule_is_a_project_of_its_own(project: Project) -> None:
    library = Project(project.folder, "library")
    tip = library.commit("lib.py")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.top), "lib")
    worktree = prepare(project.top / "lib", project.home, HUB, ID, {})
    assert worktree.base == tip
    assert (worktree.path / "lib.py").exists()


def test_a_large_file_filter_of_the_persons_is_used(project: Project) -> None:
    script = project.folder / "rot"
    script.write_text("#!/bin/sh\ntr a-z A-Z\n")
    script.chmod(0o755)
    project.git("config", "filter.up.smudge", str(script))
    project.git("config", "filter.up.clean", "tr A-Z a-z")
    project.write(".gitattributes", "*.up filter=up\n")
    project.commit("x.up")
    assert (made(project).path / "x.up").read_text() == "X.UP BY WORK\n"


def test_records_say_what_the_hub_needs_after_it_has_forgotten_everything(project: Project) -> None:
    worktree = made(project, base="main")
    record = load(worktree.record)
    assert record is not None
    assert (record.state, record.onto, record.hub, record.assignment) == ("ready", "main", HUB, ID)
    assert worktree.record.stat().st_mode & 0o077 == 0
