"""A mailbox with scripted agents that hubd starts, and what is looked for while they run."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from hubd.launch.sweeping import wrappers
from tests.e2e.processes import QUICK, Box, Hubd, until

SCRIPT = Path(__file__).with_name("scripted.py")
PLAN = "---\nkind: task\ntitle: {title}\nassignments:\n{plan}---\nAs always.\n"
LIMITS = {"HUB_GRACE": "1s", "HUB_LINGER": "2s", "HUB_BACKOFF": "0s"}


class Yard(Box):
    """A mailbox whose agents are scripted."""

    def __init__(self, root: Path, *agents: str) -> None:
        super().__init__(root, agents or ("backend",))
        self.project = root.parent / "project"
        self._saved = 0

    def name(self) -> str:
        """Return a name that no file had before."""
        self._saved += 1
        return f"d{self._saved}.md"

    # cards

    def card(self, name: str, behave: str = "work", **fields: str) -> None:
        """Save a card, and wait until it is in force. A field that is empty is left out."""
        before = self.count(f"card.{name}: active -> active")
        self.card_while_down(name, behave, **fields)
        until(lambda: self.count(f"card.{name}: active -> active") > before, f"the card of {name}")

    def card_while_down(self, name: str, behave: str = "work", **fields: str) -> None:
        """Save a card that is judged when hubd runs again."""
        lines = {
            "kind": "agent", "launch": "auto", "command": f"[{sys.executable}, -I, -S, {SCRIPT}]",
            "env": "{BEHAVE: " + json.dumps(behave) + "}", **fields,
        }  # fmt: skip
        text = "\n".join(f"{key}: {value}" for key, value in lines.items() if value)
        aside = self.root / "cards" / f".{name}.tmp"
        aside.write_text(f"---\n{text}\n---\nDo as you are told.\n")
        aside.rename(self.root / "cards" / f"{name}.md")

    # work

    def task(self, *to: str, title: str = "Fix it", after: str = "") -> str:
        """Ask for a task with a plan; it is approved by that. Returns the id of its round."""
        plan = "".join(f"  - to: {name}\n    goal: Do it\n" for name in to) + after
        known = set(self.rounds())
        self.drop("operator", self.name(), PLAN.format(title=title, plan=plan))
        return until(lambda: next(iter(set(self.rounds()) - known), None), "a round")

    def rounds(self) -> list[str]:
        """Return the ids of all rounds, the oldest first."""
        subjects = (s.split(": ") for s in self.subjects())
        return [id_ for id_, step in subjects if ".r" in id_ and step == "new -> awaiting_approval"]

    def send(self, to: str, subject: str = "Hello", sender: str = "operator") -> None:
        """Save a message."""
        self.drop(sender, self.name(), f"---\nkind: message\nto: {to}\nsubject: {subject}\n---\n")

    def ask_hub(self, do: str, on: str, *lines: str) -> None:
        """Drop a person's request."""
        text = "\n".join(("---", "kind: request", f"do: {do}", f"on: {on}", *lines, "---", ""))
        self.drop("operator", self.name(), text)

    # what is looked for

    def ended(self, times: int = 1, seconds: float = 45.0) -> list[str]:
        """Wait until so many runs have ended, and return their documents, the oldest first."""

        def look() -> list[str] | None:
            found = [s.split(":")[0] for s in self.subjects() if s.endswith("-> ended")]
            return found if len(found) >= times else None

        found = until(look, f"{times} runs that ended, in {self.subjects()}", seconds)
        return [self.document(id_) for id_ in found]

    def document(self, id_: str) -> str:
        """Return a finished document as the ledger holds it."""
        names = self.git("ls-tree", "-r", "--name-only", "refs/hub/main", "archive").splitlines()
        (path,) = [name for name in names if name.endswith(f"/{id_}.md")]
        return self.git("show", f"refs/hub/main:{path}")

    def live_runs(self, agent: str) -> list[str]:
        """Return the ids of the runs of an agent that go on."""
        return sorted(p.stem for p in (self.root / "agents" / agent / "waiting").glob("run-*.md"))

    def kill_wrappers(self, number: int = signal.SIGKILL) -> None:
        """Kill, or hold still, the processes that own the runs of this mailbox, as a full memory would."""
        hub = self.git("show", "refs/hub/main:.hub/id").split()[1]
        for pid in wrappers(f"{hub}:").values():
            os.kill(pid, number)


class Running(Hubd):
    """hubd with short waits, and its facts."""

    def __init__(self, root: Path, *args: str, **environment: str) -> None:
        state = {"XDG_STATE_HOME": str(root.parent / "state")}
        super().__init__(root, *args, environment={**QUICK, **LIMITS, **state, **environment})

    def __enter__(self) -> Running:
        self.ready()
        return self

    def __exit__(self, *error: object) -> None:
        if self.alive():
            code = self.stop()
            assert error[0] is not None or code == 0, self.log()
        assert not any(word in self.log() for word in ("defect", "Traceback")), self.log()

    def facts(self) -> dict[str, Any]:
        """Return the hub's status, with the runs that go on by id."""
        told = self.ask(do="query", what="status", args={})
        told["runs"] = {run["id"]: run for agent in told["agents"] for run in agent["runs"]}
        return told


def processes(run: str) -> list[int]:
    """Return the processes of this machine that belong to a run; its wrapper is none of them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                if f"HUB_RUN={run}\0".encode() in Path("/proc", name, "environ").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
    return found


def field(document: str, key: str) -> str:
    """Return a line of a document's header."""
    lines = document.split("---")[1].splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith(f"{key}: ")), "")
