"""The whole story with the real clients: hubd starts Claude Code and Codex in worktrees of one project.

The model is a stub that follows its prompt; the programs, their tools and sandboxes, git and hubd are real.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.desk import BIN, PASSED, git, needs
from tests.e2e.launching import Running, Yard, field
from tests.e2e.processes import until
from tests.models import serving, works

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]

PATIENCE = 90.0


def card(yard: Yard, name: str, client: str) -> None:
    yard.card(
        name, command=client, env="", directory=str(yard.project), worktree="{base: main}",
        pass_env=f"[{', '.join(PASSED)}]",
    )  # fmt: skip


def looked_at(handoff: Path) -> str:
    """Return a handoff as soon as the hub has looked at its work."""
    text = handoff.read_text() if handoff.exists() else ""
    return text if "evidence:" in text else ""


def test_claude_works_codex_follows_on_its_branch_and_the_person_reviews_verified_work(
    tmp_path: Path,
) -> None:
    needs("claude", "codex")
    yard = Yard(tmp_path / "mail", "backend", "reviewer")
    yard.project.mkdir()
    git(yard.project, "init", "-q", "-b", "main")
    (yard.project / "README.md").write_text("A project.\n")
    git(yard.project, "add", ".")
    git(yard.project, "commit", "-q", "-m", "Begin")
    again, first = works({"again.txt": "Hello again.\n"}, "cat again.txt hello.txt"), works()
    with serving(lambda seen: (again if "Say it again" in seen.prompt else first)(seen)) as served:
        clients = {**served.claude(tmp_path / "claude"), **served.codex(tmp_path / "codex")}
        (tmp_path / "tmp").mkdir()  # Codex keeps its sandbox out of a home that lies below it
        path = f"{BIN}:{os.environ['PATH']}"
        with Running(yard.root, PATH=path, TMPDIR=str(tmp_path / "tmp"), **clients) as hubd:
            card(yard, "backend", "claude")
            card(yard, "reviewer", "codex")
            round_ = yard.task("backend", after="  - to: reviewer\n    goal: Say it again\n    after: [1]\n")
            for part in ("a1", "a2"):
                look = yard.root / f"agents/operator/inbox/{round_}.{part}.h1.md"
                handoff = until(lambda look=look: looked_at(look), f"{part}, in {hubd.log()}", PATIENCE)
                assert field(handoff, "evidence") == "verified", handoff
            runs = yard.ended(2)
            assert [field(r, "command") for r in runs] == ["claude", "codex"]
            assert [field(r, "outcome") for r in runs] == ["done", "done"]
            assert all(field(r, "session") for r in runs)
            assert float(field(runs[0], "cost_usd")) > 0
    files = git(yard.project, "ls-tree", "--name-only", f"hub/{round_}.a2").split()
    assert files == ["README.md", "again.txt", "hello.txt"], "the second builds on the first"
    assert git(yard.project, "status", "--porcelain") == ""
    assert yard.verified()
