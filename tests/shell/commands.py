"""hubctl in tests: in this process through click's runner, and as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from hubd.cli import hubctl

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ("lead:plan", "backend:python", "tester:review")


def environment(**more: str) -> dict[str, str]:
    """Nobody's own settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "GIT_"))}
    return {**clean, "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": os.devnull, "COLUMNS": "80", **more}


def run(*args: str, stdin: str | None = None, **env: str) -> Result:
    """Run hubctl in this process."""
    cleared = {name: None for name in os.environ if name.startswith("HUB_")}
    return CliRunner().invoke(hubctl, list(args), input=stdin, env={**cleared, "COLUMNS": "80", **env})


def program(*args: str) -> list[str]:
    """The command line of a hubctl of its own."""
    return [sys.executable, "-m", "hubd.cli", *args]


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox, and hubctl on it. Nothing runs unless `up` is said."""

    root: Path

    def __call__(self, *args: str, who: str = "", stdin: str | None = None, **env: str) -> Result:
        named = ("--as", who) if who else ()
        return run("-C", str(self.root), *named, *args, stdin=stdin, **env)

    def ok(self, *args: str, who: str = "", stdin: str | None = None, **env: str) -> str:
        """What a command says that must succeed."""
        done = self(*args, who=who, stdin=stdin, **env)
        assert done.exit_code == 0, f"{args}: {done.exit_code}\n{done.output}\n{done.exception!r}"
        return done.stdout

    def json(self, *args: str, who: str = "", code: int = 0) -> dict[str, Any]:
        """The object that a command answers with, and its exit code."""
        done = self("--json", *args, who=who)
        assert done.exit_code == code, f"{args}: {done.exit_code}\n{done.output}\n{done.exception!r}"
        answer = json.loads(done.stdout)
        assert answer["schema"] == 1
        return dict(answer)

    def process(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run hubctl as a process of its own, to its end."""
        command = program("-C", str(self.root), *args)
        return subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=40)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        """Start hubctl as a process of its own."""
        return subprocess.Popen(
            program("-C", str(self.root), *args), env=environment(**env), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def task(self, *plan: str, title: str = "Fix the login", owner: str = "lead") -> str:
        """A task by the operator; `plan` holds `AGENT: goal` lines for a round by its owner."""
        id_ = str(self.json("task", "new", "--title", title, "--owner", owner)["id"])
        words = [w for line in plan for w in ("--assign", *line.split(": ", 1))]
        if plan:
            self.ok("round", "submit", id_, *words, who=owner)
        return id_


def make(root: Path) -> Box:
    """A new mailbox with a lead and two agents."""
    done = run("init", str(root), *(word for a in AGENTS for word in ("--agent", a)))
    assert done.exit_code == 0, done.output
    return Box(root)
