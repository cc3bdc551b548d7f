"""An agent's work, committed for it: all of it, nothing else, and without running anything of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.core.document import Value
from hubd.project import ProjectError, Worktree, commit_all, prepare, retire, worktrees
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


def committed(worktree: Worktree, message: str = "Fix the login\n\nAs agreed.\n") -> str | None:
    return commit_all(worktree, "backend", "backend@hub1", message)


def files(project: Project, worktree: Worktree) -> list[str]:
    """What the last commit changed."""
    shown = project.git("show", "--format=", "--name-status", "-z", "--no-renames", worktree.branch)
    words = shown.rstrip("\0").split("\0")
    return sorted(" ".join(pair) for pair in zip(words[::2], words[1::2], strict=True))


def test_the_author_is_the_agent_and_the_committer_is_the_hub(project: Project) -> None:
    worktree = made(project)
    project.write("app.py", "better\n", worktree.path)
    commit = committed(worktree)
    said = project.git("log", "-1", "--format=%H|%an|%ae|%cn|%ce|%B", worktree.branch)
    assert said == f"{commit}|backend|backend@hub1|hubd|hubd@localhost|Fix the login\n\nAs agreed.\n"
    assert project.git("status", "--porcelain", at=worktree.path) == ""
    assert project.git("rev-parse", "HEAD", at=worktree.path) == commit
    assert project.git("rev-parse", "HEAD^", at=worktree.path) == worktree.base


def test_everything_that_is_work_is_in_it_and_nothing_else(project: Project) -> None:
    project.write(".env", "SECRET=1\n")
    project.write("local.yaml", "mine\n")
    project.write("docs/read.md", "changed by the person\n")
    worktree = made(project, copy=(".env", "local.yaml", "docs/read.md"))
    project.write("new.py", at=worktree.path)
    project.write("-rf", at=worktree.path)
    project.write("odd\n\"name'", at=worktree.path)
    project.write("build/out", at=worktree.path)
    project.write("x.log", at=worktree.path)
    project.write("local.yaml", "changed by the agent\n", worktree.path)
    (worktree.path / "app.py").unlink()
    (worktree.path / "link").symlink_to("/etc/passwd")
    assert committed(worktree)
    assert files(project, worktree) == ["A -rf", "A link", "A new.py", "A odd\n\"name'", "D app.py"]


def test_nothing_to_commit_is_no_commit(project: Project) -> None:
    worktree = made(project)
    project.write("x.log", at=worktree.path)
    assert committed(worktree) is None
    assert project.git("rev-parse", worktree.branch) == worktree.base


def test_what_was_forced_into_the_index_is_not_committed(project: Project) -> None:
    project.write(".env", "SECRET=1\n")
    worktree = made(project, copy=".env")
    project.write("x.log", at=worktree.path)
    project.write("new.py", at=worktree.path)
    project.git("add", "--force", "--all", at=worktree.path)
    assert committed(worktree)
    assert files(project, worktree) == ["A new.py"]


def test_what_the_setup_left_is_not_the_agents_work_until_it_is_changed(project: Project) -> None:
    worktree = made(project, setup=("sh", "-c", "echo a > lock.a; echo b > lock.b; echo x >> app.py"))
    assert committed(worktree) is None
    project.write("lock.b", "changed\n", worktree.path)
    assert committed(worktree)
    assert files(project, worktree) == ["A lock.b"]


def test_files_that_git_itself_writes_differently_are_no_work(project: Project) -> None:
    project.write("crlf.txt", b"one\r\ntwo\r\n")
    project.commit()
    project.write(".gitattributes", "* text=auto\n")
    project.git("add", ".gitattributes")
    project.git("commit", "--quiet", "-m", "Attributes")
    worktree = made(project)
    assert committed(worktree) is None
    project.write("new.py", at=worktree.path)
    assert committed(worktree)
    assert files(project, worktree) == ["A new.py"]


def test_a_folder_may_take_a_files_place_and_a_file_a_folders(project: Project) -> None:
    worktree = made(project)
    (worktree.path / "app.py").unlink()
    project.write("app.py/inner", at=worktree.path)
    shutil.rmtree(worktree.path / "docs")
    project.write("docs", at=worktree.path)
    assert committed(worktree)
    assert files(project, worktree) == ["A app.py/inner", "A docs", "D app.py", "D docs/read.md"]
    (worktree.path / "docs").unlink()
    shutil.rmtree(worktree.path / "app.py")
    (worktree.path / "app.py").symlink_to("/etc")
    assert committed(worktree)
    assert files(project, worktree) == ["A app.py", "D app.py/inner", "D docs"]


def test_no_hook_runs_and_nobody_is_asked_to_sign(project: Project) -> None:
    worktree = made(project)
    project.plant_hooks()
    for key, value in (
        ("commit.gpgSign", "true"),
        ("gpg.program", str(project.trap())),
        ("core.editor", "false"),
    ):
        project.git("config", key, value)
    project.git("config", "core.fsmonitor", str(project.trap()))
    project.write("new.py", at=worktree.path)
    assert committed(worktree)
    assert not project.marker.exists()


def test_a_repository_inside_the_worktree_is_neither_committed_nor_entered(project: Project) -> None:
    worktree = made(project)
    inner = worktree.path / "inner"
    inner.mkdir()
    project.git("init", "--quiet", at=inner)
    project.commit("x", at=inner)
    project.git("config", "core.fsmonitor", str(project.trap()), at=inner)
    project.git("config", "filter.evil.clean", str(project.trap()), at=inner)
    project.write(".gitattributes", "* filter=evil\n", inner)
    project.write("x", "changed\n", inner)
    project.write("new.py", at=worktree.path)
    assert committed(worktree)
    assert files(project, worktree) == ["A new.py"]
    assert retire(worktree) == "kept: uncommitted work"
    assert [listed.state for listed in worktrees(project.home)] == ["uncommitted work"]
    assert not project.marker.exists()


def test_a_submodule_that_an_agent_has_filled_is_not_entered(project: Project) -> None:
    library = Project(project.folder, "library")
    library.commit("lib.py")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.top), "lib")
    project.commit()
    worktree = made(project)
    project.git("clone", "--quiet", str(library.top), str(worktree.path / "lib"))
    project.git("config", "core.fsmonitor", str(project.trap()), at=worktree.path / "lib")
    project.git("config", "filter.evil.clean", str(project.trap()), at=worktree.path / "lib")
    project.write(".gitattributes", "* filter=evil\n", worktree.path / "lib")
    project.write("lib.py", "changed\n", worktree.path / "lib")
    project.write("new.py", at=worktree.path)
    assert committed(worktree)
    assert files(project, worktree) == ["A new.py"]
    assert not project.marker.exists()


def test_a_git_file_that_leads_elsewhere_is_not_followed(project: Project) -> None:
    worktree = made(project)
    evil = Project(project.folder, "evil")
    evil.commit("x")
    evil.git("config", "core.fsmonitor", str(evil.trap()))
    evil.git("config", "filter.evil.clean", str(evil.trap()))
    (worktree.path / ".git").write_text(f"gitdir: {evil.top}/.git\n")
    project.write(".gitattributes", "* filter=evil\n", worktree.path)
    project.write("new.py", at=worktree.path)
    commit = committed(worktree)
    assert project.git("rev-parse", worktree.branch) == commit
    assert retire(worktree) == "kept: 1 commit not merged"
    assert not project.marker.exists()


@pytest.mark.parametrize("how", ["another branch", "detached", "merging", "rebasing"])
def test_a_worktree_that_is_not_plainly_on_its_branch_is_left_to_a_person(project: Project, how: str) -> None:
    worktree = made(project)
    project.write("app.py", "agent\n", worktree.path)
    project.commit(at=worktree.path)
    main = project.write("app.py", "person\n") and project.commit()
    if how == "another branch":
        project.git("switch", "--quiet", "--create", "mine", at=worktree.path)
    elif how == "detached":
        project.git("switch", "--quiet", "--detach", at=worktree.path)
    elif how == "merging":
        project.git("merge", "--quiet", main, at=worktree.path, ok=False)
    else:
        project.git("rebase", "--quiet", main, at=worktree.path, ok=False)
    tip = project.git("rev-parse", worktree.branch)
    project.write("new.py", at=worktree.path)
    with pytest.raises(ProjectError) as caught:
        committed(worktree)
    assert caught.value.hint
    assert project.git("rev-parse", worktree.branch) == tip
    assert retire(worktree).startswith("kept: ")


def test_a_lock_stops_it_unless_nobody_can_be_at_work(project: Project) -> None:
    worktree = made(project)
    project.write("new.py", at=worktree.path)
    lock = project.top / ".git" / "worktrees" / ID / "index.lock"
    lock.touch()
    os.utime(lock, (OLD, OLD))
    with pytest.raises(ProjectError, match="lock"):
        committed(worktree)
    assert lock.exists()
    assert commit_all(worktree, "a", "a@b", "x", alone=True)


@pytest.mark.parametrize(
    ("name", "email", "shown"),
    [
        ("a <b>", "<x@y>", "a b <x@y>"),
        ("", "", "hubd <hubd@localhost>"),
        ("two\nlines", "a\0b", "two lines <a b>"),
    ],
)
def test_a_name_is_made_fit_for_a_commit(project: Project, name: str, email: str, shown: str) -> None:
    worktree = made(project)
    project.write("new.py", at=worktree.path)
    commit_all(worktree, name, email, "")
    assert project.git("log", "-1", "--format=%an <%ae>", worktree.branch) == shown
