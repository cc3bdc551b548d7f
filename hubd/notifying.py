"""Tell people outside of the mailbox that something waits for them: the command `notify` of hub.yaml.

Guarantee: for each document that waits for a person the command is run once as it stands, and again after
`remind` while it still waits; a restart does not begin anew. The loop never waits for it: it has a time
limit, and one runs at a time. What it says when it fails is in the log, once.

Rule 1: what is to be told is decided by `decide`, which looks at its arguments alone. Rule 2: no shell. What
others wrote reaches the command on its standard input; in its words only as `{line}`, which begins with the
person's name, so that it can never be taken for an option. Rule 3: of the hub's environment it gets what is
listed here.

Not promised: that a message arrives. A command that ends with 0 has told, as far as the hub knows.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hubd import query
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.state import State
from hubd.hub import Hub
from hubd.jobs import Jobs
from hubd.outcome import Outcome
from hubd.query.rows import path_for, title

__all__ = ["LIMIT", "Notifier", "Told", "Wait", "decide", "document", "filled"]

LIMIT = 30.0
"""Seconds that one command may take."""
SETTLED = 1.0
"""Seconds: what the hub itself settles meanwhile is not told."""
TRY_AGAIN = 300.0
_NEVER = float("inf")
_SAID = 300
_HANDED_ON = re.compile(
    r"(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|TZ|TMPDIR|LC_[A-Z_]+|XDG_[A-Z_]+|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY"
    r"|DBUS_SESSION_BUS_ADDRESS|(?i:https?_proxy|no_proxy|all_proxy))\Z"
)
Say = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that waits for a person."""

    person: str
    id: str
    state: str

    @property
    def key(self) -> str:
        return f"{self.person} {self.id} {self.state}"


@dataclass(frozen=True, slots=True)
class Told:
    """That it was told: when, in seconds of the wall clock, and whether the command could be run."""

    at: float
    well: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """`tell`: what is to be told now, each with whether it was told before. `told`: what stays remembered."""

    tell: tuple[tuple[Wait, bool], ...]
    told: Mapping[str, Told]
    again_in: float


def decide(waits: tuple[Wait, ...], told: Mapping[str, Told], now: float, remind: float) -> Decision:
    """Say what is to be told. What does not wait any more is forgotten: if it comes back, it is news."""
    kept: dict[str, Told] = {}
    tell: list[tuple[Wait, bool]] = []
    again_in = _NEVER
    for wait in waits:
        before = told.get(wait.key)
        if before is None:
            tell.append((wait, False))
            continue
        at = min(before.at, now)  # a clock that was set back must not put it off
        kept[wait.key] = replace(before, at=at)
        due = at + ((remind or _NEVER) if before.well else TRY_AGAIN)
        if due <= now:
            tell.append((wait, before.well))
        else:
            again_in = min(again_in, due - now)
    return Decision(tuple(tell), kept, again_in)


def _waiting(state: State) -> Iterator[tuple[Wait, Doc]]:
    """What persons must act on. Handoffs are left out: their round asks for them."""
    for name in sorted(filter(state.is_person, state.cards)):
        for doc in state.inbox(name):
            if doc.kind is not Kind.HANDOFF:
                yield Wait(name, doc.id, doc.state), doc


def document(hub: query.View, doc: Doc, wait: Wait, again: bool) -> dict[str, Any]:
    """What the command finds on its standard input."""
    about = " ".join(title(hub.state, doc).split())
    what = f"{wait.person}: {doc.kind.value} {doc.id} is {doc.state.replace('_', ' ')}"
    return {
        "schema": query.SCHEMA, "for": wait.person, "again": again, "id": doc.id, "kind": doc.kind.value,
        "state": doc.state, "title": about, "line": (f"{what}: {about}" if about else what)[:400],
        "from": doc.text("from"), "since": doc.text("created"), "mailbox": str(hub.layout.root),
        "path": path_for(doc, wait.person), "text": doc.document.render().decode("utf-8", "replace"),
    }  # fmt: skip


def filled(words: tuple[str, ...], given: Mapping[str, Any]) -> list[str]:
    """The command's words, with what they name in braces. Other braces stay."""
    return [re.sub(r"\{(line|for|kind|id|state)\}", lambda m: str(given[m[1]]), word) for word in words]


class Notifier:
    """Looks at what waits whenever something was recorded, and runs the command beside the loop."""

    def __init__(self, hub: Hub, selector: selectors.BaseSelector, say: Say) -> None:
        self._hub = hub
        self._selector = selector
        self._say = say
        self._jobs = Jobs()
        selector.register(self._jobs, selectors.EVENT_READ, lambda: None)
        self._file = hub.layout.hub_dir / "notified.json"
        self._told = self._load()
        self._under_way: set[str] = set()
        self._running: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._seq = -1
        self._look_at = time.monotonic() + SETTLED
        self._trouble = ""

    def pause(self) -> float:
        """Return how long there is nothing to do here."""
        return max(0.0, self._look_at - time.monotonic())

    def turn(self) -> list[Outcome]:
        """Take note of what was told, and tell what is due. Cheap where nothing has changed."""
        self._jobs.take()
        now = time.monotonic()
        if self._hub.state.seq != self._seq:
            self._seq = self._hub.state.seq
            self._look_at = min(self._look_at, now + SETTLED)
        if now >= self._look_at:
            self._look()
        return []

    def close(self) -> None:
        """End what runs. It is told again after the next start."""
        self._closed = True
        self._kill()
        self._selector.unregister(self._jobs)
        self._jobs.close()

    def _look(self) -> None:
        self._look_at = _NEVER
        words = self._hub.state.settings.names("notify")
        if not words:
            return
        docs = dict(_waiting(self._hub.state))
        decision = decide(tuple(docs), self._told, time.time(), self._hub.state.settings.seconds("remind"))
        self._look_at = time.monotonic() + decision.again_in
        if decision.told != self._told:
            self._told = dict(decision.told)
            self._save()
        for wait, again in decision.tell:
            if wait.key not in self._under_way:
                self._under_way.add(wait.key)
                given = document(self._hub, docs[wait], wait, again)
                self._jobs.ask("notify", self._command(words, given), self._noted(wait.key))

    def _command(self, words: tuple[str, ...], given: dict[str, Any]) -> Callable[[], str]:
        argv, data = filled(words, given), json.dumps(given).encode() + b"\n"
        environment = {name: value for name, value in os.environ.items() if _HANDED_ON.match(name)}
        return lambda: self._run(argv, data, {**environment, "HUB_MAILBOX": str(given["mailbox"])})

    def _run(self, argv: list[str], data: bytes, environment: Mapping[str, str]) -> str:
        """Run the command, in a thread. Answers with what went wrong."""
        with tempfile.TemporaryFile() as said:
            try:
                process = self._running = subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, cwd="/",
                    env=environment, start_new_session=True,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                return f"cannot be started: {error}"
            if self._closed:
                self._kill()
            try:
                process.communicate(data, timeout=LIMIT)
            except subprocess.TimeoutExpired:
                self._kill()
                process.wait()
                return f"took more than {LIMIT:g} s"
            finally:
                self._running = None
            if process.returncode == 0:
                return ""
            said.seek(0)
            why = " ".join(said.read(4096).decode("utf-8", "replace").split())[:_SAID]
            return f"ended with {process.returncode}" + (f": {why}" if why else "")

    def _kill(self) -> None:
        process = self._running
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _noted(self, key: str) -> Callable[[Any], None]:
        def note(trouble: Any) -> None:
            self._under_way.discard(key)
            self._told[key] = Told(time.time(), not trouble)
            self._look_at = min(self._look_at, time.monotonic())
            self._complain(str(trouble))
            self._save()

        return note

    def _load(self) -> dict[str, Told]:
        try:
            read = json.loads(self._file.read_bytes())
            return {str(key): Told(float(at), bool(well)) for key, (at, well) in read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # not there, or spoiled: the worst that follows is that something is told once more

    def _save(self) -> None:
        """Remember over a restart. Where that fails, something is told once more."""
        aside = self._file.with_suffix(".tmp")
        try:
            aside.write_text(json.dumps({key: (told.at, told.well) for key, told in self._told.items()}))
            os.replace(aside, self._file)
        except OSError as error:
            self._complain(f"cannot be remembered: {error}")

    def _complain(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            self._say("warning", f"notify: the command {trouble}")
        self._trouble = trouble
