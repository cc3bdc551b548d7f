"""Finding a project and naming its commits, with real git; and what never runs on the way."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.project import ProjectError, Repository
from hubd.project.plumbing import Git, version
from hubd.project.repository import is_ref
from hubd.project.running import run
from tests.shell.projects import Project, environment


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with environment(tmp_path / "me"):
        yield Project(tmp_path)


def test_a_project_is_found_from_any_folder_inside_it(project: Project) -> None:
    project.commit("deep/down/file")
    found = Repository(project.top / "deep" / "down")
    assert (found.top, found.common) == (project.top, project.top / ".git")
    assert found.name == "login-app"


def test_a_linked_worktree_is_the_same_project_with_another_top(project: Project) -> None:
    project.commit("a")
    project.git("worktree", "add", "--quiet", "../other")
    found = Repository(project.folder / "other")
    assert found.top == project.folder / "other"
    assert found.common == project.top / ".git"
    assert found.git_dir != found.common
    assert found.key("hub") == Repository(project.top).key("hub") != found.key("another hub")


def test_a_bare_repository_has_no_top(project: Project) -> None:
    project.commit("a")
    project.git("clone", "--quiet", "--bare", ".", "../shared.git")
    found = Repository(project.folder / "shared.git")
    assert found.top is None
    assert found.name == "shared"
    assert found.default().name == "main"


def test_a_folder_of_worktrees_around_a_hidden_bare_repository_is_a_project(project: Project) -> None:
    project.commit("a")
    around = project.folder / "around"
    around.mkdir()
    project.git("clone", "--quiet", "--bare", ".", str(around / ".bare"))
    (around / ".git").write_text("gitdir: ./.bare\n")
    found = Repository(around)
    assert (found.top, found.name, found.default().name) == (None, "around", "main")


def test_a_project_may_lie_in_a_folder_of_any_name(project: Project) -> None:
    odd = Project(project.folder, "two\nlines \u202e")
    odd.commit("a")
    assert Repository(odd.top).top == odd.top
    assert Repository(odd.top).name == "two-lines"


@pytest.mark.parametrize(
    ("folder", "what"),
    [("plain", "not in a git repository"), ("missing", "no folder"), ("file", "no folder")],
)
def test_what_is_no_project_is_said_to_be_none(project: Project, folder: str, what: str) -> None:
    (project.folder / "plain").mkdir()
    (project.folder / "file").touch()
    with pytest.raises(ProjectError, match=what) as caught:
        Repository(project.folder / folder)
    assert caught.value.hint


def test_a_relative_path_is_no_project() -> None:
    with pytest.raises(ProjectError, match="not an absolute path"):
        Repository(Path("project"))


def test_a_project_of_another_user_is_refused_as_git_refuses_it(project: Project) -> None:
    if os.geteuid():
        pytest.skip("only root can give a project to somebody else")
    project.commit("a")
    os.chown(project.top, 12345, 12345)
    os.chown(project.top / ".git", 12345, 12345)
    with pytest.raises(ProjectError, match="another user") as caught:
        Repository(project.top)
    assert "safe.directory" in caught.value.hint


def test_a_project_without_a_commit_says_so(project: Project) -> None:
    with pytest.raises(ProjectError, match="no commit yet"):
        Repository(project.top).default()


def test_the_default_branch_is_the_remotes_then_the_usual_one_then_what_is_checked_out(
    project: Project,
) -> None:
    project.commit("a")
    project.git("switch", "--quiet", "--create", "feature")
    tip = project.commit("b")
    assert Repository(project.top).default().name == "main"
    project.git("branch", "--quiet", "--delete", "--force", "main")
    assert Repository(project.top).default().name == "feature"
    project.git("update-ref", "refs/remotes/origin/develop", tip)
    project.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")
    assert Repository(project.top).default().ref == "refs/remotes/origin/develop"
    project.git("branch", "--quiet", "develop")
    assert Repository(project.top).default().ref == "refs/heads/develop"


def test_a_detached_head_can_be_all_there_is(project: Project) -> None:
    tip = project.commit("a")
    project.git("switch", "--quiet", "--detach")
    project.git("branch", "--quiet", "--delete", "--force", "main")
    found = Repository(project.top).default()
    assert (found.commit, found.ref) == (tip, "")


def test_a_name_is_a_branch_then_a_tag_then_a_remotes_then_a_commit(project: Project) -> None:
    first = project.commit("a")
    project.git("tag", "-a", "-m", "x", "v1")
    second = project.commit("b")
    project.git("update-ref", "refs/remotes/up/main", first)
    found = Repository(project.top)
    for name, commit in (
        ("main", second),
        ("v1", first),
        ("up/main", first),
        (first[:9], first),
        ("HEAD", second),
    ):
        named = found.named(name)
        assert named is not None
        assert named.commit == commit
    project.git("branch", "v1", second)
    named = found.named("v1")
    assert named is not None
    assert named.ref == "refs/heads/v1"


@pytest.mark.parametrize(
    "name",
    ["--all", "-x", "main~0", "main^", "@{-1}", "@", ":/Work", "HEAD:a", "main..main", "*", "ma?n", "", "a b",
     "refs/heads/*", "\n", "main\n", "x.lock", "/main", "main/", "0" * 40, "--upload-pack=touch x"],
)  # fmt: skip
def test_a_name_is_looked_up_and_never_evaluated(project: Project, name: str) -> None:
    project.commit("a")
    assert Repository(project.top).named(name) is None
    assert Repository(project.top).branch(name) is None


def test_a_branch_that_begins_with_a_dash_is_a_branch(project: Project) -> None:
    tip = project.commit("a")
    project.git("update-ref", "refs/heads/--all", tip)
    found = Repository(project.top).named("--all")
    assert found is not None
    assert found.ref == "refs/heads/--all"


@pytest.mark.parametrize("name", ["main", "feature/x", "hub/a.r1.a1", "ü", "-x", "a@b", "x{y}"])
def test_the_rule_for_names_agrees_with_git_on_good_ones(project: Project, name: str) -> None:
    assert is_ref(name)
    assert subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"]).returncode == 0


def test_the_surroundings_of_a_hook_do_not_lead_git_astray(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = project.commit("a")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='true'")
    found = Repository(project.top)
    assert found.top == project.top
    assert found.default().commit == tip


def test_no_hook_editor_or_prompt_runs(project: Project) -> None:
    project.commit("a")
    project.plant_hooks()
    trap = str(project.trap())
    for key in (
        "core.editor",
        "core.pager",
        "core.fsmonitor",
        "core.askPass",
        "gpg.program",
        "sequence.editor",
    ):
        project.git("config", key, trap)
    project.git("config", "core.hooksPath", str(project.top / ".git" / "hooks"))
    project.git("config", "commit.gpgSign", "true")
    git = Git(project.top / ".git", project.top)
    git.out("status", "--porcelain")
    git.out("commit", "--allow-empty", "--quiet", "-m", "x")
    git.out("update-ref", "refs/heads/other", "HEAD")
    assert git.ask("commit", "--allow-empty", "--amend").code != 0  # it would need an editor
    assert not project.marker.exists()


def test_a_call_ends_in_time_with_all_that_it_started(project: Project) -> None:
    began = time.monotonic()
    script = 'sleep 600 & echo $!; trap "" TERM; sleep 600'
    ran = run(["sh", "-c", script], cwd=project.top, env=os.environ, limit=0.3)
    assert ran.late
    assert time.monotonic() - began < 20
    child = int(ran.out)
    assert _gone(child)


def _gone(pid: int) -> bool:
    """Whether a process has ended; it may wait to be buried by whoever adopted it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_output_is_bounded_and_the_end_of_it_is_kept(project: Project) -> None:
    ran = run(
        ["sh", "-c", "yes | head -c 3000000; echo end; echo no >&2"],
        cwd=project.top, env=os.environ, limit=30, keep=1000,
    )  # fmt: skip
    assert len(ran.out) == 1000
    assert ran.out.endswith(b"end\n")
    assert ran.missing == 3_000_004 - 1000
    assert (ran.err, ran.code, ran.late) == (b"no\n", 0, False)


def test_a_program_that_does_not_read_is_not_waited_for(project: Project) -> None:
    ran = run(["true"], cwd=project.top, env=os.environ, limit=30, stdin=b"x" * 1_000_000)
    assert ran.code == 0


def test_much_input_and_much_output_pass_at_once(project: Project) -> None:
    data = os.urandom(1 << 20)
    ran = run(["cat"], cwd=project.top, env=os.environ, limit=30, stdin=data)
    assert ran.out == data


def test_a_daemon_that_holds_the_output_is_not_waited_for(project: Project) -> None:
    began = time.monotonic()
    pid = project.folder / "pid"
    # The child is in a session of its own, with the same output, before its parent ends.
    script = f"setsid sh -c 'echo $$ > {pid}; exec sleep 20' & until [ -s {pid} ]; do :; done; echo said"
    ran = run(["sh", "-c", script], cwd=project.top, env=os.environ, limit=60)
    assert (ran.code, ran.late, ran.out) == (0, False, b"said\n")
    assert time.monotonic() - began < 15
    os.kill(int(pid.read_text()), 9)


def test_a_failure_says_what_git_said_and_what_to_do(project: Project) -> None:
    git = Git(project.top / ".git")
    with pytest.raises(ProjectError, match="git cat-file: fatal") as caught:
        git.out("cat-file", "-p", "nothing")
    assert caught.value.hint
    assert "nothing" in caught.value.output


def test_git_says_its_version() -> None:
    assert version() >= (2, 30)
