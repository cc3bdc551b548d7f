"""The story of the demo, and what must be true at its end.

A task is dropped; its owner plans a round; a person approves it by editing the file; two assignments are
claimed, worked on and handed off, the second after the first; the review asks for changes; a second round is
planned, approved, done and approved. The director starts the processes and tells what it sees; it saves
nothing in the mailbox but one setting. Anything that is not as expected ends the story with exit code 1.
"""

from __future__ import annotations

import argparse
import queue
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubd.demo import project
from hubd.demo.stage import Failed, Line, Stage, program

PEOPLE = "operator"
AGENTS = {"lead": "lead", "backend": "fix", "qa": "test"}
"""Each agent's name, and its role in agent.py."""

ENDS = {
    "": "completed",
    ".r1": "changes_requested",
    ".r1.a1": "completed",
    ".r1.a2": "completed",
    ".r1.a1.h1": "returned",
    ".r1.a2.h1": "returned",
    ".r2": "completed",
    ".r2.a1": "completed",
    ".r2.a2": "completed",
    ".r2.a1.h1": "accepted",
    ".r2.a2.h1": "accepted",
}
"""How every document of the story must end, by what follows the task's id."""

DELAY = ("decision_delay: 3s", "decision_delay: 1s")
PATIENCE = 90.0
HERE = Path(__file__).parent


def expect(holds: object, otherwise: str) -> None:
    """Go on only where something holds."""
    if not holds:
        raise Failed(otherwise)


def prepare(stage: Stage, root: Path) -> tuple[Path, Path]:
    """Make the project and the mailbox, and start hubd."""
    shop, mailbox = root / "shop", root / "mailbox"
    commit = project.make(shop, stage.environment)
    stage.tell("demo", f"makes shop/, a git project with a bug, at {commit[:7]}")
    words = [word for name in AGENTS for word in ("--agent", name)]
    made = stage.run((*program("hubctl", "hubd.cli"), "init", str(mailbox), *words))
    expect(made.returncode == 0, f"hubctl init: {made.stdout}{made.stderr}")
    stage.tell("hubctl", f"init mailbox {' '.join(words)}")
    stage.follow(mailbox)
    settings = mailbox / "hub.yaml"
    text = settings.read_text(encoding="utf-8")
    expect(DELAY[0] in text, f"hub.yaml has no line `{DELAY[0]}`")
    settings.write_text(text.replace(*DELAY), encoding="utf-8")
    stage.tell("demo", f"saves hub.yaml with `{DELAY[1]}`, as nobody here types")
    stage.start("hubd", (*program("hubd", "hubd.daemon"), "-C", str(mailbox)))
    wait_until_ready(stage)
    return mailbox, shop


def wait_until_ready(stage: Stage) -> None:
    """Wait for the daemon's own word."""
    while True:
        line = hear(stage)
        if line.source == "hubd" and re.search(r"\bready\b", line.text):
            stage.tell("hubd", "ready")
            return


def hear(stage: Stage) -> Line:
    """Return the next thing that happens; tell it, unless the daemon's own log does."""
    while True:
        expect(stage.elapsed < PATIENCE, f"the story did not end within {PATIENCE:.0f} s")
        try:
            line = stage.lines.get(timeout=0.2)
        except queue.Empty:
            dead = stage.dead()
            if dead:
                last = "\n".join(stage.heard[dead][-40:])
                raise Failed(f"{dead} ended in the middle of the story:\n{last}") from None
            continue
        if line.source != "hubd":
            stage.tell(line.source, line.text)
        return line


def play(stage: Stage, mailbox: Path, shop: Path) -> list[Line]:
    """Start the agents and the person, and watch until the second round is approved."""
    # -S leaves only the standard library within their reach: they cannot import hubd if they wanted to.
    python = (sys.executable, "-I", "-S", "-B")
    for name, role in AGENTS.items():
        stage.start(name, (*python, str(HERE / "agent.py"), str(mailbox), name, role, str(shop)))
    stage.start(PEOPLE, (*python, str(HERE / "person.py"), str(mailbox), PEOPLE))
    history: list[Line] = []
    while not (history and history[-1].kind == "round" and "-> completed" in history[-1].text):
        line = hear(stage)
        if line.document:
            history.append(line)
    return history


def close(stage: Stage) -> None:
    """End the agents, then the daemon, which must end well."""
    for name in (*AGENTS, PEOPLE):
        stage.end(name)
    code = stage.end("hubd")
    expect(code == 0, f"hubd ended with {code}:\n" + "\n".join(stage.heard["hubd"][-40:]))
    stage.tell("hubd", "drained and ended on SIGTERM; agents ended")


def check(stage: Stage, mailbox: Path, shop: Path, history: Sequence[Line]) -> None:
    """Compare what is there with what must be there: in the ledger, on disk and in the project."""
    task = next((line.document for line in history if line.kind == "task"), "")
    grep = ("grep", "-E", "^state: ", "refs/hub/main", "--", "archive")
    found = project.git(mailbox, stage.environment, *grep)
    ends: dict[str, str] = {}
    for row in found.splitlines():
        _, path, _, state = row.split(":", 3)
        ends.setdefault(Path(path).stem, state.strip())
    for suffix, state in ENDS.items():
        expect(ends.get(task + suffix) == state, f"{task}{suffix} is {ends.get(task + suffix)}, not {state}")
    approvals = [line.text for line in history if line.kind == "round" and "-> dispatched" in line.text]
    expect(
        len(approvals) == 2 and all(PEOPLE in text for text in approvals), f"the approvals were {approvals}"
    )
    for folder in ("outbox", "refused"):
        left = [str(path) for path in mailbox.glob(f"agents/*/{folder}/*")]
        expect(not left, f"left behind: {left}")
    tree = str(shop.parent / "worktrees" / "qa")
    tests = stage.run((sys.executable, "-B", "-m", "unittest", "discover", "-s", f"{tree}/tests", "-t", tree))
    expect(tests.returncode == 0 and "Ran 3 tests" in tests.stderr, f"the project's tests say {tests.stderr}")


def show(stage: Stage, mailbox: Path, shop: Path) -> None:
    """Print the audit log, the checker's answer, and the project's history."""
    hubctl = (*program("hubctl", "hubd.cli"), "-C", str(mailbox))
    for title, command in (
        ("hubctl log", (*hubctl, "log")),
        ("hubctl verify", (*hubctl, "verify")),
        ("git log, in the project", ("git", "-C", str(shop), "log", "--format=%h %<(9)%an %s", "work/qa")),
    ):
        stage.title(title)
        done = stage.run(command)
        stage.plain(done.stdout + done.stderr)
        expect(done.returncode == 0, f"{title}: exit code {done.returncode}")


def tell_all(root: Path) -> int:
    """Play the story in a folder; return the exit code."""
    with Stage(sys.stdout) as stage:
        try:
            stage.title("A project, a mailbox, a daemon, three agents and a person")
            stage.tell("demo", f"works in {root}")
            mailbox, shop = prepare(stage, root)
            history = play(stage, mailbox, shop)
            close(stage)
            check(stage, mailbox, shop, history)
            show(stage, mailbox, shop)
        except Failed as failure:
            print(f"\ndemo: {failure}", file=sys.stderr)
            return 1
        stage.plain(f"\nEvery check held: {len(history)} commits, 2 rounds, in {stage.elapsed:.1f} s.")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Play the story in a temporary folder, which is removed unless it is to be kept."""
    parser = argparse.ArgumentParser(prog="hubctl demo", description="Play the whole story, for real.")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder, to look around in it")
    keep = parser.parse_args(argv).keep
    root = Path(tempfile.mkdtemp(prefix="hubd-demo-"))
    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        return tell_all(root)
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
        if keep:
            print(f"kept: {root}\nhint: `git -C {root}/mailbox log`")
        else:
            shutil.rmtree(root)


def interrupted(*_: Any) -> None:
    """Leave as on Ctrl-C, so that every process is ended."""
    raise KeyboardInterrupt
