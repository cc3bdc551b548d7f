"""Agents work in worktrees of a real project: what they did is looked at, a person's checkout left alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.launching import Running, Yard, field
from tests.e2e.processes import until

pytestmark = pytest.mark.e2e


def git(project: Path, *args: str) -> str:
    done = subprocess.run(("git", "-C", str(project), *args), capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    yard = Yard(tmp_path / "mail", "backend", "tester")
    yard.project.mkdir()
    git(yard.project, "init", "-q", "-b", "main")
    git(yard.project, "config", "user.name", "A Person")
    git(yard.project, "config", "user.email", "person@localhost")
    (yard.project / "app.py").write_text("print('hello')\n")
    git(yard.project, "add", ".")
    git(yard.project, "commit", "-qm", "Begin")
    return yard


@pytest.fixture
def hubd(yard: Yard, tmp_path: Path) -> Iterator[Running]:
    with Running(yard.root, XDG_STATE_HOME=str(tmp_path / "state")) as hub:
        yield hub


def card(yard: Yard, name: str, behave: str = "work", **env: str) -> None:
    words = json.dumps({"BEHAVE": behave, **env}).replace('"', "")
    yard.card(name, directory=str(yard.project), worktree="{base: main}", env=words.replace(":", ": "))


def evidence(yard: Yard, handoff: str) -> str:
    """Wait until the hub has looked at a handoff's work, and return the document."""
    path = yard.find("operator", f"{handoff}.md")
    return until(lambda: text if "evidence:" in (text := path.read_text()) else None, "the evidence")


def test_an_agent_works_on_a_branch_of_its_own_and_what_it_reports_is_verified(
    yard: Yard, hubd: Running
) -> None:
    (yard.project / "app.py").write_text("print('half done by a person')\n")
    before = git(yard.project, "status", "--porcelain"), git(yard.project, "rev-parse", "HEAD")
    card(yard, "backend")
    round_ = yard.task("backend")
    handoff = evidence(yard, f"{round_}.a1.h1")
    branch = f"hub/{round_}.a1"
    assert field(handoff, "evidence") == "verified"
    assert field(handoff, "branch") == branch
    assert field(handoff, "head") == git(yard.project, "rev-parse", branch)
    assert git(yard.project, "log", "-1", "--format=%an", branch) == "backend"
    assert (git(yard.project, "status", "--porcelain"), git(yard.project, "rev-parse", "HEAD")) == before
    review = yard.find("operator", f"{round_}.md").read_text()
    assert "verified" in review
    assert f"merge --no-ff {branch}" in review
    assert yard.verified()


def test_the_hub_commits_what_an_agent_could_not_commit_itself(yard: Yard, hubd: Running) -> None:
    card(yard, "backend", COMMITS="no")
    round_ = yard.task("backend")
    handoff = evidence(yard, f"{round_}.a1.h1")
    branch = f"hub/{round_}.a1"
    assert field(handoff, "evidence") == "verified"
    assert git(yard.project, "log", "-1", "--format=%an/%cn", branch) == "backend/hubd"
    assert git(yard.project, "show", f"{branch}:{round_}.a1.txt") == f"{round_}.a1 was done by backend"


@pytest.mark.parametrize("names", ["yes", "no"])
def test_one_that_comes_after_another_starts_from_its_branch_named_or_not(
    yard: Yard, hubd: Running, names: str
) -> None:
    card(yard, "backend", NAMES=names)
    card(yard, "tester", NAMES=names)
    round_ = yard.task("backend", after="  - to: tester\n    goal: Test it\n    after: [1]\n")
    evidence(yard, f"{round_}.a2.h1")
    files = git(yard.project, "ls-tree", "--name-only", f"hub/{round_}.a2").splitlines()
    assert files == ["app.py", f"{round_}.a1.txt", f"{round_}.a2.txt"]


def test_work_of_a_run_that_ends_badly_is_kept_for_the_next_attempt(
    yard: Yard, hubd: Running, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    card(yard, "backend", behave=f"write half.txt hold {gate} fail")
    round_ = yard.task("backend")
    branch = f"hub/{round_}.a1"
    until(lambda: yard.live_runs("backend"), "a run")
    card(yard, "backend")
    gate.touch()
    handoff = evidence(yard, f"{round_}.a1.h1")
    assert "half.txt" in git(yard.project, "ls-tree", "--name-only", branch)
    assert "half.txt" in field(handoff, "undeclared")
    assert field(yard.document(f"{round_}.a1"), "attempt") == "2"


def test_a_worktree_that_cannot_be_made_starts_no_process_and_says_why(yard: Yard, hubd: Running) -> None:
    yard.card("backend", directory=str(yard.project), worktree="{base: no-such-branch}")
    yard.task("backend")
    run = yard.ended()[0]
    assert field(run, "outcome") == "not_started"
    assert "no-such-branch" in run


def test_the_hub_hands_off_for_a_client_that_has_no_tools_to_do_so(yard: Yard, tmp_path: Path) -> None:
    # A program of this name stands for the client, which may not be here: it edits, it speaks, and no more.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "aider").write_text(
        "#!/bin/sh\necho done > edited.txt\necho I have edited it.\necho STATUS: done\n"
    )
    (programs / "aider").chmod(0o755)
    with Running(yard.root, PATH=f"{programs}:{os.environ['PATH']}"):
        yard.card("backend", command="aider", env="", directory=str(yard.project), worktree="{base: main}")
        round_ = yard.task("backend")
        handoff = evidence(yard, f"{round_}.a1.h1")
        assert field(handoff, "summary") == "I have edited it."
        assert git(yard.project, "show", f"hub/{round_}.a1:edited.txt") == "done"
        assert field(yard.ended()[0], "outcome") == "done"
