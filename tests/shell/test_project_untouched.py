"""Whatever state a person's project is in, it is in the same one after an agent has worked beside it.

Every file of the checkout and of the git dir is compared: its bytes, its mode, when it was written, its
inode. Only objects, `refs/heads/hub/`, and the worktree's own folder in the git dir may come, and the last
two must be gone again when the worktree is removed. Every hook, and every program that a configuration can
name, leaves a marker if it runs.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hubd.core.document import Value
from hubd.project import Worktree, commit_all, describe, examine, prepare, retire, worktrees
from tests.shell.projects import HUB, Project, environment

FIRST, SECOND = "login-7f3k.r1.a1", "login-7f3k.r1.a2"
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # making a failure smaller takes minutes
NAMES = [os.fsdecode(name) for name in (
    b"plain.py", b"with space", b"-rf", b"--all", b"new\nline", b"\xff\xfe", b"\xc3\xbc", b'"quoted"',
    b"it's", b"tab\there", b":(top)x", b"*", b"[a-z]", b"deep/er/file", b".hidden", b"#x#", b"\\back",
    b"HEAD", b"hub",
)]  # fmt: skip
DATA = st.sampled_from([b"", b"one\n", b"one\r\ntwo\r\n", b"\0\1\2", b"$Id$\n", b"x" * 5000, b"no newline"])
TRAP, HOOKS = "TRAP", "HOOKS"
CONFIG = [
    ("core.fsmonitor", TRAP), ("core.editor", TRAP), ("core.pager", TRAP), ("core.askPass", TRAP),
    ("gpg.program", TRAP), ("diff.external", TRAP), ("diff.x.textconv", TRAP), ("diff.x.command", TRAP),
    ("core.alternateRefsCommand", TRAP), ("sequence.editor", TRAP), ("alias.status", f"!{TRAP}"),
    ("core.hooksPath", HOOKS), ("commit.gpgSign", "true"), ("log.showSignature", "true"),
    ("core.autocrlf", "true"), ("core.autocrlf", "input"), ("core.eol", "crlf"), ("core.quotePath", "true"),
    ("status.showUntrackedFiles", "no"), ("status.renames", "copies"), ("status.branch", "true"),
    ("branch.autoSetupMerge", "always"), ("branch.autoSetupRebase", "always"), ("gc.auto", "1"),
    ("worktree.guessRemote", "true"), ("worktree.useRelativePaths", "true"), ("index.version", "4"),
    ("core.untrackedCache", "true"), ("extensions.worktreeConfig", "true"), ("maintenance.auto", "true"),
    ("core.logAllRefUpdates", "false"), ("core.logAllRefUpdates", "always"), ("rerere.enabled", "true"),
    ("diff.renames", "copies"), ("diff.noprefix", "true"), ("submodule.recurse", "true"),
    ("i18n.commitEncoding", "latin1"), ("merge.conflictStyle", "diff3"), ("core.checkStat", "minimal"),
    ("core.sharedRepository", "group"),
]  # fmt: skip
ATTRIBUTES = [
    "* text=auto", "*.py eol=crlf", "* ident", "* diff=x", "*.py merge=union", "* filter=plain", "* -text",
    "*.py binary",
]  # fmt: skip
_OFF = ("gc.auto=0", "maintenance.auto=0", "commit.gpgSign=0", "core.fsmonitor=0", "rerere.enabled=0")
QUIET = [word for setting in _OFF for word in ("-c", setting)]
"""The agent's own git leaves the project alone here, so that what is compared is what hubd does."""


@dataclass(frozen=True)
class Wild:
    """The state that a project is in."""

    tracked: dict[str, bytes]
    dirty: dict[str, bytes]
    staged: dict[str, bytes]
    attributes: list[str]
    config: list[tuple[str, str]]
    stashes: int
    head: str
    linked: str
    packed: bool
    split: bool


FILES = st.dictionaries(st.sampled_from(NAMES), DATA, max_size=4)
WILD = st.builds(
    Wild,
    tracked=FILES,
    dirty=FILES,
    staged=FILES,
    attributes=st.lists(st.sampled_from(ATTRIBUTES), max_size=2, unique=True),
    config=st.lists(st.sampled_from(CONFIG), max_size=6, unique=True),
    stashes=st.integers(0, 2),
    head=st.sampled_from(["main", "feature", "detached", "merging", "unborn"]),
    linked=st.sampled_from(["", "other", "locked", "missing", "project"]),
    packed=st.booleans(),
    split=st.booleans(),
)


@dataclass(frozen=True)
class Work:
    """What an agent does in its worktree."""

    files: dict[str, bytes]
    commits: bool
    deletes: bool
    copied: bool
    setup: bool
    merged: bool


WORK = st.builds(
    Work, FILES, st.booleans(), st.booleans(), copied=st.booleans(), setup=st.booleans(), merged=st.booleans()
)


def fill(project: Project, at: Path, files: dict[str, bytes]) -> None:
    """Write these files, as far as names do not collide."""
    for name, data in files.items():
        path = at / name
        if not path.is_dir() and not any(parent.is_file() for parent in path.parents):
            project.write(name, data, at)


def build(project: Project, wild: Wild) -> Path:
    """Bring a project into this state; return the folder that a card would name."""
    git = project.git
    project.write(".gitignore", ".env\nignored/\n")
    project.write("app.py", "one\n")
    fill(project, project.top, wild.tracked)
    git("add", "--all")
    git("commit", "--quiet", "--message", "First")
    git("branch", "feature")
    project.write("app.py", "two\n")
    git("commit", "--quiet", "--all", "--message", "Second")
    project.write(".gitattributes", "".join(f"{line}\n" for line in wild.attributes))
    git("config", "filter.plain.clean", "cat")
    git("config", "filter.plain.smudge", "cat")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Third")
    git("tag", "-a", "-m", "v", "v1")
    for number in range(wild.stashes):
        project.write("app.py", f"stashed {number}\n")
        git("stash", "push", "--quiet")
    if wild.packed:
        git("pack-refs", "--all")
    if wild.split:
        git("update-index", "--split-index")
    folder = project.top
    if wild.linked:
        git("worktree", "add", "--quiet", "--detach", str(project.folder / "linked"), "feature")
        if wild.linked == "locked":
            git("worktree", "lock", "--reason", "on a stick", str(project.folder / "linked"))
        if wild.linked in ("locked", "missing"):
            (project.folder / "linked").rename(project.folder / "moved")
        if wild.linked == "project":
            folder = project.folder / "linked"
    if wild.head == "detached":
        git("switch", "--quiet", "--detach", "feature", ok=False)
    elif wild.head == "unborn":
        git("switch", "--quiet", "--orphan", "nothing", ok=False)
    elif wild.head != "main":
        git("switch", "--quiet", "feature", ok=False)
    if wild.head == "merging":
        project.write("app.py", "three\n")
        git("commit", "--quiet", "--all", "--message", "Feature")
        git("merge", "main", ok=False)
    fill(project, project.top, wild.staged)
    git("add", "--all", ok=wild.head != "merging")
    fill(project, project.top, wild.dirty)
    project.write(".env", "SECRET=1\n", folder)
    project.write("ignored/x")
    trap = project.trap()
    project.plant_hooks()
    project.plant_hooks(project.folder / "hooks")
    for key, value in wild.config:
        value = value.replace(TRAP, str(trap)).replace(HOOKS, str(project.folder / "hooks"))
        git("config", "--replace-all", key, value)
    if project.marker.exists():
        project.marker.unlink()
    return folder


def play(project: Project, folder: Path, work: Work) -> list[Worktree]:
    """Everything that hubd does with a project, and two agents in between."""
    wishes: dict[str, Value] = {"base": "main"} | ({"copy": (".env",)} if work.copied else {})
    if work.setup:
        wishes["setup"] = ("sh", "-c", "echo made > made.txt; echo ignored > .env.made")
    first = prepare(folder, project.home, HUB, FIRST, wishes)
    assert prepare(folder, project.home, HUB, FIRST, wishes).path == first.path
    fill(project, first.path, work.files)
    if work.deletes:
        (first.path / "app.py").unlink(missing_ok=True)
    if work.commits:
        project.git(*QUIET, "add", "--all", at=first.path)
        project.git(*QUIET, "commit", "--quiet", "--allow-empty", "--message", "Mine", at=first.path)
        project.write("later.py", at=first.path)
    commit_all(first, "backend", "backend@hub1", "Work")
    second = prepare(folder, project.home, HUB, SECOND, {"base": "main"}, [first.branch, "feature"])
    project.write("second.py", at=second.path)
    commit_all(second, "review", "review@hub1", "Work")
    others = [first.branch, second.branch, "feature"]
    for worktree in (first, second):
        examine(folder, changed_files=["later.py"], worktree=worktree, others=others)
    describe(folder)
    return [first, second]


def status(project: Project, worktree: Worktree) -> str:
    return project.git(*QUIET, "status", "--porcelain", at=worktree.path)


@pytest.mark.timeout(600)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(wild=WILD, work=WORK)
def test_a_project_is_as_it_was(wild: Wild, work: Work) -> None:
    with tempfile.TemporaryDirectory() as space, environment(Path(space) / "me"):
        project = Project(Path(space))
        folder = build(project, wild)
        linked = Path(space) / "linked"
        had_worktrees = (project.top / ".git" / "worktrees").exists()
        ours = [
            ".git/refs/heads/hub", ".git/logs/refs/heads/hub",
            f".git/worktrees/{FIRST}", f".git/worktrees/{SECOND}",
            *([] if had_worktrees else [".git/worktrees"]),
        ]  # fmt: skip
        before, beside = project.fingerprint(), project.fingerprint(at=linked)
        made = play(project, folder, work)
        assert project.fingerprint(*ours) == before
        said = [retire(worktree) for worktree in made]
        assert said[1].startswith("kept: ")
        assert project.fingerprint(*ours) == before
        assert project.fingerprint(at=linked) == beside
        assert not project.marker.exists(), project.marker.read_text()
        if not work.merged:
            return
        # The person takes the work over, into branches of their own; then nothing of the hub's is left.
        left = [worktree for worktree in made if worktree.record.exists()]
        for worktree in left:
            taken = f"refs/heads/taken/{worktree.path.name}"
            project.git("update-ref", taken, f"refs/heads/{worktree.branch}")
        before = project.fingerprint(*ours)
        for worktree in left:
            state = [listed.state for listed in worktrees(project.home)]
            changed = project.git(*QUIET, "status", "--porcelain", at=worktree.path)
            assert retire(worktree) == "removed", (state, changed)
        assert project.fingerprint() == before
        assert not project.marker.exists()
        assert not list(project.home.iterdir())
