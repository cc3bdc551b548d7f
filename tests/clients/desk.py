"""Where a real client works in a test: a mailbox on disk, a project with a worktree, and homes of its own.

The mailbox's documents are made by the core in memory and laid out as files; what an agent saves is taken
back to the core. So a test sees what the hub would make of it, without a hub.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hubd.core.effect import Doc
from hubd.core.prompt import render_prompt
from hubd.launch.context import Context
from hubd.launch.environment import environment
from hubd.launch.presets import Command, build, preset_of
from hubd.launch.results import Result, read_result
from tests.core.play import Answer, Table, accepted
from tests.house.sources import ROOT
from tests.models import Script, Served, serving

BIN = Path(os.environ.get("HUBD_CLIENTS", ROOT / ".clients")) / "node_modules" / ".bin"
TEMPLATE = (ROOT / "templates" / "prompt.md").read_text(encoding="utf-8")
DEADLINE = 60.0
PASSED = (
    "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_MAX_RETRIES", "CODEX_HOME",
    "STUB_API_KEY",
)  # fmt: skip
"""What leads a client to the stub; a card names it, as a person's card names a key."""


def needs(*programs: str) -> None:
    """Skip a test, with a word why, where a program is missing."""
    for program in programs:
        if not any((Path(folder) / program).exists() for folder in (BIN, *os.get_exec_path())):
            how = "make test-clients installs it" if program in ("claude", "codex") else "install it"
            pytest.skip(f"{program} is not here: {how}")


@dataclass
class Ran:
    """A run that is over."""

    command: Command
    code: int
    result: Result
    served: Served
    seconds: float
    output: str
    left: list[str]
    """The processes that were still there when the client had ended; there are none any more."""


@dataclass
class Desk:
    """One agent, `backend`, with one assignment."""

    base: Path
    client: str
    table: Table = field(default_factory=Table)

    def __post_init__(self) -> None:
        self.root, self.project, self.tree = (
            self.base / "mail",
            self.base / "project",
            self.base / "trees" / "a1",
        )
        for folder in ("project", "home", "tmp", "run"):
            (self.base / folder).mkdir(parents=True)
        git(self.project, "init", "-q", "-b", "main")
        (self.project / "README.md").write_text("A project.\n")
        git(self.project, "add", ".")
        git(self.project, "commit", "-q", "-m", "Begin")
        git(self.project, "worktree", "add", "-q", str(self.tree), "-b", "work/a1")
        _, round_ = self.table.dispatched("backend: Say hello")
        self.assignment_id = f"{round_}.a1"

    # the mailbox

    def card(self, *lines: str, body: str = "Say what you do.") -> Doc:
        """Save the agent's card."""
        passed = f"pass_env: [{', '.join(PASSED)}]"
        text = "\n".join(
            ("---", "kind: agent", "capabilities: [python]", f"command: {self.client}", passed, *lines)
        )
        accepted(
            self.table.propose("operator", "cards", "cards/backend.md", f"{text}\n---\n{body}\n".encode())
        )
        card = self.table.state.card("backend")
        assert card is not None
        return card

    def start(self) -> Doc:
        """Let the hub start a run for the assignment, and lay the mailbox out."""
        accepted(self.table.hub("start", "backend", **{"for": self.assignment_id}))
        self.lay_out()
        return self.table.state.runs("backend")[0]

    def lay_out(self) -> None:
        for agent in self.table.state.cards:
            for folder in ("inbox", "outbox", "drafts", "waiting", "refused"):
                (self.root / "agents" / agent / folder).mkdir(parents=True, exist_ok=True)
        for name in ("leases", "archive", "contract", ".git/hub"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for path, data in self.table.tree.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(data)

    def files(self) -> dict[str, bytes]:
        """Return everything that lies in the mailbox."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def sent(self) -> list[Answer]:
        """Take what lies in the outbox to the core, as the hub would."""
        folder = self.root / "agents" / "backend" / "outbox"
        paths = sorted(folder.iterdir())
        return [
            self.table.propose("backend", "outbox", f"agents/backend/outbox/{path.name}", path.read_bytes())
            for path in paths
        ]

    # a run

    def prompt(self, run: Doc, card: Doc) -> str:
        documents = [self.table.doc(id_) for id_ in run.texts("on")]
        return render_prompt(
            TEMPLATE, self.table.state, run, card, documents, str(self.root), str(self.tree), "work/a1"
        )

    def command(
        self, run: Doc, card: Doc, prompt: str = "", session: str = "", resume: bool = False
    ) -> Command:
        told = prompt or self.prompt(run, card)
        prompt_file = self.base / "run" / "prompt.md"
        prompt_file.write_text(told)
        command = build(
            Context(
                agent="backend", run=run.id, root=self.root, folder=self.base / "run", cwd=self.tree,
                prompt=told, prompt_file=prompt_file, card=card, session=session, resume=resume,
                tmp=str(self.base / "tmp"),
            )
        )  # fmt: skip
        for name, text in command.files.items():
            (self.base / "run" / name).write_text(text)
        return command

    def variables(self, served: Served, card: Doc, command: Command) -> Mapping[str, str]:
        """Return the environment, from a hub's that holds what leads to the stub, and a secret."""
        hubs = {
            **os.environ, "HOME": str(self.base / "home"), "TMPDIR": str(self.base / "tmp"),
            "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm-256color", "HUB_SECRET": "hidden",
            **served.claude(self.base / "claude"), **served.codex(self.base / "codex"),
        }  # fmt: skip
        own = {"HUB_RUN_TAG": f"test:{self.base}", "HUB_AGENT": "backend", **AUTHOR}
        return environment(card, hubs, command.env, own).variables

    def run(
        self, script: Script, card: Doc, prompt: str = "", session: str = "", resume: bool = False,
        stop: Callable[[Served], bool] | None = None, sign: int = 0,
    ) -> Ran:  # fmt: skip
        """Run the client to its end. `stop`: send it a signal once this is so, `sign` or its preset's."""
        run = next(iter(self.table.state.runs("backend")), None) or self.start()
        command = self.command(run, card, prompt, session, resume)
        began = time.monotonic()
        with (
            serving(script) as served,
            self.process(command, self.variables(served, card, command)) as process,
        ):
            if stop is not None:
                until(lambda: stop(served), "what the stop waits for")
                began = time.monotonic()
                process.send_signal(sign or command.signal)
            process.wait(timeout=DEADLINE)
            seconds, left = time.monotonic() - began, self.sweep()
            logs = [(self.base / "run" / f"{name}.log").read_bytes() for name in ("stdout", "stderr")]
        code = process.returncode
        ended = (code, None) if code >= 0 else (None, -code)
        result = read_result(preset_of(card), logs[0], logs[1], *ended)
        return Ran(command, code, result, served, seconds, b"\n".join(logs).decode(errors="replace"), left)

    @contextmanager
    def process(self, command: Command, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        folder = self.base / "run"
        (folder / "stdin").write_text(command.stdin)
        with (
            (folder / "stdin").open("rb") as stdin,
            (folder / "stdout.log").open("wb") as out,
            (folder / "stderr.log").open("wb") as err,
            subprocess.Popen(
                command.argv, cwd=self.tree, env=dict(variables), stdin=stdin, stdout=out, stderr=err,
                start_new_session=True,
            ) as process,
        ):  # fmt: skip
            try:
                yield process
            finally:
                process.kill()
                self.sweep()

    def sweep(self) -> list[str]:
        """End what still runs under this desk's tag; return what it was."""
        mark = f"HUB_RUN_TAG=test:{self.base}\0".encode()
        left = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes() + b"\0":
                    left.append(
                        (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    )
                    os.kill(int(entry.name), signal.SIGKILL)
        return left


AUTHOR = {
    "GIT_AUTHOR_NAME": "backend", "GIT_AUTHOR_EMAIL": "backend@example.org",
    "GIT_COMMITTER_NAME": "backend", "GIT_COMMITTER_EMAIL": "backend@example.org",
}  # fmt: skip


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *args], cwd=folder, env={**os.environ, **AUTHOR}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(look: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.05)
