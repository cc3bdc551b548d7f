"""Take part in a mailbox from a Python program of your own: one file, files only, the standard library alone.

    from hubd.agent import Agent                    # or copy this file beside your program

    agent = Agent("/path/to/mailbox", "backend")    # inside a run that hubd started: Agent()

    @agent.on_assignment
    def work(assignment):
        assignment.progress("reading")
        return "One line that says what was done"   # the handoff's summary; or {"summary": …, "commit": …}

    agent.run()

Or without the loop: `for paper in agent.inbox("assignment"): held = agent.claim(paper)`, and then `progress`,
`hand_off`, `ask`, `release` or `fail` on what is held; `tell`, `read` and `send` for everything else.

Guarantee: a file is written aside and renamed, so nobody reads half of one; what the hub refuses is raised as
`Refused`, with what its bounce says, and the bounce is then read; an assignment is worked on only after its
file shows this agent's own word beside a lease. Nothing that matters is remembered: the files say it.

Not promised: that hubd runs. What nobody judges in time stays saved, and `Unheard` is raised.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Agent", "Assignment", "Paper", "Refused", "Unheard"]

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"
log = logging.getLogger("hubd.agent")

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_HIDDEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|<(?=!--)")
_ANSWER = re.compile(r"^Your question `\S+` \(.*\) was \w+:\n\n(`{3,})\w*\n(.*?)\n?^\1$", re.M | re.S)
_LOST = ("already-claimed", "wrong-state", "unknown-id", "not-yours", "too-many-held")
CLAIM_AGAIN = 30.0
"""Seconds after which an assignment is claimed again that could not be had, where it has not changed."""


class Unheard(Exception):
    """Nobody judged what was saved. It stays there, and is judged when hubd runs."""

    def __init__(self, path: Path, patience: float) -> None:
        self.path = path
        super().__init__(f"nobody judged {path} within {patience:g} s; it stays there: does hubd run?")


class Refused(Exception):
    """The hub did not accept something. `correct` is the line as it should be, where the hub knows it."""

    def __init__(self, name: str, bounce: Paper | None) -> None:
        body = bounce.body if bounce is not None else ""
        parts = [part.strip() for part in body.split("\n\n")]
        self.code = bounce.field("code") if bounce is not None else "refused"
        self.line = int(bounce.field("line") or 0) if bounce is not None else 0
        self.message = parts[1] if len(parts) > 1 else f"{name} was not accepted."
        self.hint = next((p[12:] for p in parts if p.startswith("What to do: ")), "")
        should = re.search(r"As it should be:\n\n(`{3,})\w*\n(.*?)\n\1", body, re.DOTALL)
        self.correct = should[2] if should else ""
        self.kept = bounce.field("kept") if bounce is not None else ""
        self.text = body
        super().__init__(" ".join(filter(None, (f"{self.code}:", self.message, self.hint))))


@dataclass(frozen=True)
class Paper:
    """A document as it lay in the inbox when it was read."""

    agent: Agent
    path: Path
    text: str

    @property
    def id(self) -> str:
        return self.field("id")

    @property
    def kind(self) -> str:
        return self.field("kind")

    @property
    def state(self) -> str:
        return self.field("state")

    @property
    def body(self) -> str:
        """All below the header: what the hub says, and what the author wrote."""
        return self.text.replace("\r\n", "\n").partition("\n---\n")[2]

    def field(self, key: str) -> str:
        """Return a header line's value, a list as it is written; empty where there is none."""
        head = self.text.replace("\r\n", "\n").partition("\n---\n")[0]
        found = re.search(rf"^{re.escape(key)}:[ \t]*(.*?)[ \t]*$", head, re.MULTILINE)
        value = found[1] if found else ""
        if value[:1] == value[-1:] == '"' and len(value) > 1:
            try:
                return str(json.loads(re.sub(r"\\x(..)", r"\\u00\1", value), strict=False))
            except ValueError:  # an escape that YAML has and JSON has not
                return value[1:-1]
        return value[1:-1].replace("''", "'") if value[:1] == value[-1:] == "'" and len(value) > 1 else value


@dataclass(frozen=True)
class Assignment(Paper):
    """An assignment that this agent holds, under a lease."""

    lease: str

    @property
    def goal(self) -> str:
        return self.field("goal")

    @property
    def answers(self) -> list[str]:
        """What was answered to the questions that were asked about it, the oldest first."""
        return [found[2] for found in _ANSWER.finditer(self.body)]

    def progress(self, note: str = "") -> None:
        """Say how far it is. It renews the lease, so say something now and then in long work."""
        self.agent.act("progress", self.id, lease=self.lease, note=note)

    def hand_off(self, summary: str, body: str = "", outcome: str = "done", **fields: Value) -> None:
        """Give it back: `done`, `partial` or `blocked`; fields: branch, commit, changed_files, tests_run."""
        named = {"assignment": self.id, "lease": self.lease, "outcome": outcome, "summary": summary}
        self.agent.send("handoff", {**named, **fields}, body)

    def ask(self, title: str, body: str = "", to: str = "operator", **fields: Value) -> None:
        """Ask, and let the assignment wait; it comes back with `answers`. fields: choices, expires."""
        self.agent.ask(title, body, to, assignment=self.id, lease=self.lease, **fields)

    def release(self, note: str = "") -> None:
        """Give it back undone: it may be claimed anew."""
        self.agent.act("release", self.id, lease=self.lease, note=note)

    def fail(self, note: str) -> None:
        """Give it up; what comes after it is cancelled."""
        self.agent.act("fail", self.id, lease=self.lease, note=note)

    @property
    def ended(self) -> bool:
        """Whether it is not held any more: handed off, given back, lost, or waiting for an answer."""
        now = self.agent.look(self.path)
        return now is None or now.field("lease") != self.lease


Work: TypeAlias = Callable[[Assignment], str | Mapping[str, Any] | None]
Heed: TypeAlias = Callable[[Paper], object]


class Agent:
    """One agent of a mailbox. Nothing outside its own folder is touched.

    `worker` is the word that an assignment is claimed with: by default a new one for each process, so that
    several may work under one name. With a lasting one, an agent goes on with what it held before a restart.
    `patience` is how many seconds the hub may take to judge something.
    """

    def __init__(
        self, mailbox: str | Path = "", name: str = "", worker: str = "", patience: float = 30.0
    ) -> None:
        self.name = name or os.environ.get("HUB_AGENT", "")
        mailbox = mailbox or os.environ.get("HUB_MAILBOX", "")
        if not mailbox or not self.name:
            raise ValueError("name the mailbox and the agent, or set HUB_MAILBOX and HUB_AGENT")
        self.home = Path(mailbox).expanduser().absolute() / "agents" / self.name
        if not (self.home / "outbox").is_dir():
            raise ValueError(f"{self.home} has no outbox: is there a card for {self.name}?")
        inside = os.environ.get("HUB_AGENT") == self.name
        self.run_id = os.environ.get("HUB_RUN", "") if inside else ""
        self.worker = worker or self.run_id or f"w-{os.urandom(4).hex()}"
        self.patience = patience
        self._only = os.environ.get("HUB_ASSIGNMENT", "") if self.run_id else ""
        self._work: Work | None = None
        self._heeds: dict[str, Heed] = {}
        self._seen: dict[str, str] = {}
        self._later: dict[tuple[str, str], float] = {}
        self._stopped = threading.Event()

    # what there is, and what is written

    def inbox(self, kind: str = "") -> list[Paper]:
        """Read what is to be acted on, of one kind or of all; the oldest first."""
        papers = [self.look(path) for path in (self.home / "inbox").glob("*.md")]
        found = [p for p in papers if p is not None and kind in ("", p.kind)]
        return sorted(found, key=lambda p: (p.field("created"), p.id))

    def look(self, path: Path) -> Paper | None:
        """Read one document; None where it is gone, which is news too."""
        try:
            return Paper(self, path, path.read_bytes().decode("utf-8", "replace"))
        except FileNotFoundError:
            return None

    def send(self, kind: str, fields: Mapping[str, Value], body: str = "") -> None:
        """Save a document in the outbox and see it accepted. Raises Refused, or Unheard."""
        given = {"kind": kind, **fields}.items()
        lines = [f"{key}: {_flow(value)}" for key, value in given if value not in ("", None)]
        name = f"{kind}-{os.urandom(6).hex()}.md"
        path, aside = self.home / "outbox" / name, self.home / "drafts" / name
        text = "\n".join(("---", *lines, "---", "")) + body + ("\n" if body[-1:] not in ("", "\n") else "")
        aside.write_bytes(text.encode("utf-8", "replace"))
        os.replace(aside, path)
        if not self._until(lambda: not path.exists()):
            raise Unheard(path, self.patience)
        if (self.home / "refused" / name).exists():
            raise self._refused(name)

    def _refused(self, name: str) -> Refused:
        found: list[Paper] = []

        def bounced() -> bool:
            about = f"agents/{self.name}/outbox/{name}"
            found.extend(p for p in self.inbox("bounce") if p.field("about") == about)
            return bool(found)

        self._until(bounced)
        if found:
            self.read(found[0])
        return Refused(name, found[0] if found else None)

    def act(self, do: str, on: str, **fields: Value) -> None:
        """Ask for something to be done to a document that lies elsewhere."""
        self.send("request", {"do": do, "on": on, **fields})

    def tell(self, to: str | Sequence[str], subject: str, body: str = "", **fields: Value) -> None:
        """Send a message; fields: priority, reply_to, task, dedupe_key, expires."""
        self.send("message", {"to": to, "subject": subject, **fields}, body)

    def ask(self, title: str, body: str = "", to: str = "operator", **fields: Value) -> None:
        """Ask; the answer comes as a message. `Assignment.ask` lets the assignment wait for it."""
        self.send("question", {"to": to, "title": title, **fields}, body)

    def read(self, paper: Paper) -> None:
        """Take a message or a bounce as read, by removing it."""
        paper.path.unlink(missing_ok=True)

    def claim(self, paper: Paper) -> Assignment | None:
        """Claim an assignment and read it back; None where it went to somebody else."""
        if paper.state == "pending":
            try:
                self.act("claim", paper.id, worker=self.worker)
            except Refused as refused:
                if refused.code in _LOST:
                    return None
                raise
            self._until(lambda: (now := self.look(paper.path)) is None or now.state != "pending")
        now = self.look(paper.path)
        if now is None or now.field("worker") != self.worker or not now.field("lease"):
            return None
        return Assignment(self, now.path, now.text, now.field("lease"))

    def _until(self, holds: Callable[[], bool]) -> bool:
        end, pause = time.monotonic() + self.patience, 0.01
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        return True

    # the loop

    def on_assignment(self, work: Work) -> Work:
        """Decorate what does an assignment. What it returns is handed off; None: it has ended it by itself.

        An error that it raises fails the assignment, with the error as its note.
        """
        self._work = work
        return work

    def on(self, kind: str) -> Callable[[Heed], Heed]:
        """Decorate what is called once for each version of a document of a kind: task, round, question, …"""

        def keep(heed: Heed) -> Heed:
            self._heeds[kind] = heed
            return heed

        return keep

    def on_message(self, heed: Heed) -> Heed:
        """Decorate what is called for a message. It is then read; where an error was raised, it stays."""
        return self.on("message")(heed)

    def run(self, poll: float = 0.5, most: float = 5.0) -> None:
        """Do what the inbox asks for, until `stop`. While there is nothing, it is looked at ever more rarely.

        Inside a run that hubd started it ends when everything was done: hubd starts the next.
        """
        pause = poll
        while not self._stopped.is_set():
            try:
                found = self.turn()
            except Unheard as unheard:
                if self.run_id:
                    raise
                log.warning("%s", unheard)
                while unheard.path.exists() and not self._stopped.wait(most):
                    pass
                continue
            if not found and self.run_id:
                return
            if not found:
                self._stopped.wait(pause)
            pause = poll if found else min(pause * 2, most)

    def stop(self) -> None:
        """End `run` after what it is doing now; from another thread, a signal's function, or from work."""
        self._stopped.set()

    def turn(self) -> bool:
        """Look once, and do the first thing there is. Returns whether there was something."""
        return any(not self._stopped.is_set() and self._take(paper) for paper in self.inbox())

    def _take(self, paper: Paper) -> bool:
        version = paper.field("rev")
        if paper.kind == "assignment" and self._work is not None and self._only in ("", paper.id):
            if time.monotonic() < self._later.get((paper.id, version), 0.0):
                return False
            held = self.claim(paper)
            if held is not None:
                self._do(self._work, held)
            elif paper.state == "pending":
                self._later[paper.id, version] = time.monotonic() + CLAIM_AGAIN
            return held is not None
        if paper.kind not in self._heeds or self._seen.get(paper.id) == version:
            return False
        self._seen[paper.id] = version
        self._heed(self._heeds[paper.kind], paper)
        return True

    def _do(self, work: Work, held: Assignment) -> None:
        try:
            said = work(held)
            if said is not None:
                held.hand_off(**({"summary": said} if isinstance(said, str) else said))
            elif not held.ended:
                held.fail("it was worked on, and neither handed off nor given back")
        except Unheard:
            raise
        except Exception as error:
            log.exception("%s failed", held.id)
            try:
                held.fail(f"{type(error).__name__}: {error}"[:2000])
            except Refused as refused:
                log.warning("%s is not ours any more: %s", held.id, refused)

    def _heed(self, heed: Heed, paper: Paper) -> None:
        try:
            heed(paper)
            if paper.kind == "message":
                self.read(paper)
        except Unheard:
            raise
        except Exception:
            log.exception("%s stays in the inbox", paper.id)


def _flow(value: Value) -> str:
    """Write a value on one line of a header, quoted wherever YAML might read something else."""
    if isinstance(value, Mapping):
        inner = (f"{key}: {_flow(part)}" for key, part in value.items() if part not in ("", None))
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    text = ("false", "true")[value] if isinstance(value, bool) else str(value)
    if _PLAIN.fullmatch(text):
        return text
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
