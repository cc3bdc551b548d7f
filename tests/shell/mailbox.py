"""A real mailbox for shell tests: real files, real git, a clock that is moved by hand."""

from __future__ import annotations

import copy
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from hubd.clock import FakeClock
from hubd.crashing import crash_at
from hubd.founding import found
from hubd.hub import Hub
from hubd.outcome import Outcome

AGENTS = ("lead:plan", "backend:python", "tester:review")


class Mailbox:
    """What people and agents do to a mailbox: they save files. `step` is `hubctl` without a daemon."""

    environment: Mapping[str, str] = {"HUB_SETTLE": "0ms", "HUB_DECISION_DELAY": "0ms"}

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock()
        with found(root, AGENTS, clock=self.clock):
            pass

    def copy(self, root: Path) -> Mailbox:
        """Return the same mailbox, at the same instant, somewhere else."""
        subprocess.run(["cp", "-a", str(self.root), str(root)], check=True)
        other = object.__new__(Mailbox)
        other.root, other.clock = root, copy.copy(self.clock)
        return other

    def step(self, crash: Callable[[str], None] = lambda _point: None) -> list[Outcome]:
        with Hub.open(self.root, clock=self.clock, crash=crash, environment=self.environment) as hub:
            hub.pause = self.clock.advance
            return hub.look(4.0)

    def killed_step(self, where: str) -> bool:
        """Run a step in a process of its own that is killed at a point; False when it got to the end."""
        pid = os.fork()
        if pid == 0:
            try:
                self.step(crash_at(where))
            except BaseException:  # noqa: BLE001 - the child must not go on as a second test runner
                os._exit(70)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    # what is saved

    def drop(self, agent: str, name: str, text: str) -> Path:
        """Save a new document as a careful author does: aside, then renamed."""
        folder = self.root / "agents" / agent
        aside = folder / "drafts" / name
        aside.write_text(text)
        return aside.rename(folder / "outbox" / name)

    def find(self, agent: str, pattern: str) -> Path:
        (path,) = (self.root / "agents" / agent / "inbox").glob(pattern)
        return path

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text, text
        aside = path.with_suffix(".tmp")
        aside.write_text(text.replace(old, new, 1))
        aside.rename(path)

    def files(self) -> dict[str, bytes]:
        """Return everything outside .git, but NOW.md; of what is no file only that it is there."""
        paths = (
            p for p in self.root.rglob("*") if not p.is_dir() and ".git" not in p.parts and p.name != "NOW.md"
        )
        return {str(p.relative_to(self.root)): p.read_bytes() if p.is_file() else b"" for p in paths}

    def git(self, *args: str) -> str:
        """Run git as a person does, in the mailbox."""
        command = ["git", "-c", "user.name=Anna", "-c", "user.email=anna@example.org", *args]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def verified(self) -> bool:
        """Return whether the independent checker finds the whole history in order."""
        from hubd.verify import verify

        result = verify(self.root)
        assert result.ok, result.first_bad
        return True

    def subjects(self) -> list[str]:
        """Return the subject of every commit of the truth, oldest first."""
        return self.git("log", "--first-parent", "--reverse", "--format=%s", "refs/hub/main").splitlines()


def lease(path: Path) -> str:
    found_ = re.search(r"^lease: (\d+)$", path.read_text(), re.M)
    assert found_ is not None
    return found_[1]


# The two-round story, one save at a time. Each entry saves one file; the hub then makes one step.


def task(m: Mailbox) -> None:
    m.drop("operator", "fix.md", "---\nkind: task\ntitle: Fix the login\nowner: lead\n---\nIt breaks.\n")


def plan(m: Mailbox) -> None:
    id_ = next(p for p in (m.root / "agents/lead/inbox").glob("fix-the-login-*.md")).stem
    m.drop(
        "lead", "plan.md",
        f"---\nkind: round\ntask: {id_}\nassignments:\n  - to: backend\n    goal: Fix it\n"
        "  - to: any:review\n    goal: Review it\n    after: [1]\n---\nMind the tests.\n",
    )  # fmt: skip


def approve(m: Mailbox) -> None:
    m.edit(m.find("operator", "*.r?.md"), "- [ ] approve", "- [x] approve")


def claim(agent: str) -> Callable[[Mailbox], None]:
    def act(m: Mailbox) -> None:
        m.edit(m.find(agent, "*.a?.md"), "state: pending", "state: claimed\nworker: w1")

    act.__name__ = f"claim {agent}"
    return act


def hand_off(agent: str) -> Callable[[Mailbox], None]:
    def act(m: Mailbox) -> None:
        path = m.find(agent, "*.a?.md")
        lines = f"assignment: {path.stem}\nlease: {lease(path)}\noutcome: done\nsummary: Done\n"
        m.drop(agent, "handoff.md", f"---\nkind: handoff\n{lines}---\n")

    act.__name__ = f"hand off {agent}"
    return act


def review(verdict: str) -> Callable[[Mailbox], None]:
    def act(m: Mailbox) -> None:
        m.edit(m.find("lead", "*.r?.md"), f"- [ ] {verdict}", f"- [x] {verdict}")

    act.__name__ = f"review {verdict}"
    return act


def bad(m: Mailbox) -> None:
    m.drop("lead", "bad.md", "---\nkind: task\ntitle: Fix issue #12\n---\n")


def clear(m: Mailbox) -> None:
    """The lead has read the bounce, and deletes it."""
    m.find("lead", "b-*.md").unlink()


_ROUND = (plan, approve, claim("backend"), hand_off("backend"), claim("tester"), hand_off("tester"))


def save_name(save: Callable[[Mailbox], None]) -> str:
    """Return what a save of the story is called."""
    return save.__name__.strip("_").replace("_", " ")


STORY: tuple[Callable[[Mailbox], None], ...] = (
    task, bad, clear, *_ROUND, review("changes_requested"), *_ROUND, review("approved"),
)  # fmt: skip
