"""A real hubd in a process of its own, and a mailbox that people and agents use while it runs.

Rule: nothing waits for luck. What is waited for is looked at again and again, until a deadline that fails.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hubd.founding import found
from tests.house.sources import ROOT
from tests.shell.mailbox import AGENTS, Mailbox

T = TypeVar("T")

DEADLINE = 20.0
TASK = "---\nkind: task\ntitle: {}\nowner: lead\n---\nIt breaks.\n"
ROUND = "---\nkind: round\ntask: {}\nassignments:\n  - to: backend\n    goal: Go\n---\n"
MESSAGE = "---\nkind: message\nto: {}\nsubject: {}\n---\n"
QUICK = {"HUB_SETTLE": "10ms", "HUB_DECISION_DELAY": "0ms"}


def until(look: Callable[[], T | None], what: str, seconds: float = DEADLINE) -> T:
    """Return what `look` gives as soon as it is something; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.01)


class Box(Mailbox):
    """A mailbox on the machine's own clock; what is looked for in it is waited for."""

    def __init__(self, root: Path, agents: tuple[str, ...] = AGENTS) -> None:
        self.root = root
        with found(root, agents):
            pass

    def tip(self) -> str:
        return self.git("rev-parse", "refs/hub/main").strip()

    def count(self, ending: str = "") -> int:
        """Return how many commits of the truth end so."""
        return sum(s.endswith(ending) for s in self.subjects())

    def find(self, agent: str, pattern: str) -> Path:
        folder = self.root / "agents" / agent / "inbox"
        return until(lambda: next(iter(folder.glob(pattern)), None), f"{pattern} in {agent}'s inbox")

    def folder(self, agent: str, name: str) -> list[str]:
        """Return the names in one of an agent's folders."""
        return sorted(p.name for p in (self.root / "agents" / agent / name).iterdir())

    def bounces(self, agent: str) -> list[str]:
        """Return the codes of the bounces in an agent's inbox."""
        texts = [p.read_text() for p in (self.root / f"agents/{agent}/inbox").glob("b-*.md")]
        return sorted(m[1] for t in texts if (m := re.search(r"^code: (.+)$", t, re.M)))

    def wait(self, ending: str, times: int = 1) -> None:
        """Wait until a step that ends so was recorded, so many times in all."""
        until(lambda: self.count(ending) >= times, f"{times} x {ending!r} in {self.subjects()}")


class Hubd:
    """One process of hubd."""

    def __init__(
        self, root: Path, *args: str, environment: Mapping[str, str] = QUICK, logs: Path | None = None
    ) -> None:
        self.root = root
        self._log = (logs or root.parent) / f"hubd-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                (sys.executable, "-W", "error", "-m", "hubd.daemon", "-C", str(root), *args),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT,
                env={**os.environ, **environment}, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self._log.read_text()

    def says(self, text: str, seconds: float = DEADLINE) -> str:
        """Wait for a line with this text, and return it."""

        def line() -> str | None:
            return next((x for x in self.log().splitlines() if text in x), None)

        deadline = time.monotonic() + seconds
        while (found_ := line()) is None:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.log()}"
            assert self.process.poll() is None or line(), f"ended, without {text!r}:\n{self.log()}"
            time.sleep(0.01)
        return found_

    def ready(self) -> Hubd:
        self.says("ready (pid")
        return self

    def ask(self, **question: Any) -> dict[str, Any]:
        """Ask through the socket. The one loop answers, so everything it was doing is done then."""
        folder = os.open(self.root / ".git/hub", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(f"/proc/self/fd/{folder}/sock")
                client.sendall(json.dumps(question).encode() + b"\n")
                with client.makefile("rb") as answer:
                    told: dict[str, Any] = json.loads(answer.readline())
                    return told
        finally:
            os.close(folder)

    def rested(self) -> None:
        """Wait until everything that is ready was judged, and people's git is up to date."""
        self.ask(do="look")
        git = self.root / ".git/refs"
        until(
            lambda: (git / "heads/main").read_text() == (git / "hub/main").read_text(), "the branch to follow"
        )

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """End it as a service would; answers with its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)


@contextmanager
def hubd(root: Path, *args: str, environment: Mapping[str, str] = QUICK) -> Iterator[Hubd]:
    """Run hubd, ready; on leaving it is stopped and must say nothing about defects."""
    running = Hubd(root, *args, environment=environment)
    try:
        yield running.ready()
        if running.alive():
            assert running.stop() == 0, running.log()
    finally:
        if running.alive():
            running.kill()
        if "defect" in running.log() or "Traceback" in running.log():
            raise AssertionError(running.log())
