"""Look at what is on disk, and judge what differs from the truth.

Guarantee: what counts is what is there, not what a watcher said; nothing is judged before it has been quiet
long enough to be whole.
Guarantee: absence counts only for a document that was delivered into a folder which is there.
Rule 1: an agent that sends too much waits, and its files stay where they are; people come first, then
everybody in turn. Rule 2: when very many live documents changed at once, a person is asked first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache

from hubd import checkout, notices
from hubd.core import place
from hubd.core.decide.edits import read_marks
from hubd.core.document import Document
from hubd.core.due import ask
from hubd.core.effect import Doc, Proposal
from hubd.core.model import Kind
from hubd.core.naming import Naming, naming
from hubd.core.state import read_back
from hubd.hub import GROUP_MOST, Hub
from hubd.outcome import Outcome
from hubd.sight import Eyes, Sight
from hubd.spool import Bytes, FolderBlocked, NotAFile, Read, Stamp

ABSENCE = 1.0
"""Seconds that a delivered document must be missing before that counts."""
GATHERINGS = 50
"""Rounds in which the files of an agent that has ended are judged at most; each takes up to 200 of them."""
_SOON = 0.05
_TOP = (place.SETTINGS, "README.md")


class Look:
    """One look at the mailbox, or at some of its paths (`only`, and what was not ready before)."""

    def __init__(self, hub: Hub, eyes: Eyes, only: set[str] | None = None, gone: str = "") -> None:
        """`gone`: the agent whose process has ended, so that what it saved is whole."""
        self.hub = hub
        self.gone = f"agents/{gone}/" if gone else ""
        self.only = None if only is None else only | set(eyes.sights)
        self.hinted: dict[str, list[str]] = {}
        for path in filter(_counts, self.only or ()):
            self.hinted.setdefault(path.rpartition("/")[0], []).append(path)
        self.eyes = eyes
        self.mono = hub.now().mono
        self.wall = time.time()  # files carry the real one, whatever clock the hub goes by
        self.there: Callable[[str], bool] = lru_cache(maxsize=None)(self._is_there)
        eyes.wake_at = None
        eyes.judged.clear()

    # what is there

    def _is_there(self, folder: str) -> bool:
        """Return whether a folder is one. If it went, it is made again with what belongs in it."""
        try:
            there = self.hub.spool.is_there(folder)
        except FolderBlocked:
            return False
        if not there:
            self.hub.folders()
        return there

    def _stamp(self, path: str) -> Stamp | None:
        try:
            return self.hub.spool.stamp(path)
        except FolderBlocked:
            return None

    def _read(self, path: str) -> Read | None:
        try:
            return self.hub.spool.read(path)
        except FolderBlocked:
            return None

    def _scan(self, folder: str) -> list[tuple[str, Stamp]]:
        try:
            entries = self.hub.spool.scan(folder)
        except FolderBlocked:
            return []
        return [(f"{folder}/{name}", stamp) for name, stamp in entries if _counts(name)]

    # outboxes

    def outboxes(self) -> list[str]:
        """Return the files in outboxes that come next: people's first, then one of each agent in turn."""
        people: list[tuple[str, list[str]]] = []
        agents: list[tuple[str, list[str]]] = []
        for name in sorted(self.hub.state.cards):
            ready = [path for path, stamp in self._sent(name) if self._ready(path, stamp)]
            if ready:
                (people if self.hub.state.is_person(name) else agents).append((name, ready))
        chosen: list[str] = []
        self._take(people, chosen)
        self._take(agents, chosen)
        return chosen

    def _take(self, waiting: list[tuple[str, list[str]]], chosen: list[str]) -> None:
        turns = [(name, iter(paths)) for name, paths in waiting]
        while turns:
            for turn in list(turns):
                name, paths = turn
                if len(chosen) >= GROUP_MOST:
                    self._wake(0)  # the rest comes next, after whatever a person has saved meanwhile
                    return
                path = next(paths, None)
                if path is not None and self._may_send(name):
                    chosen.append(path)
                else:
                    turns.remove(turn)

    def _may_send(self, name: str) -> bool:
        settings = self.hub.state.settings
        if self.eyes.may_send(name, settings, self.mono):
            return True
        bucket = self.eyes.buckets[name]
        if not bucket.told:
            bucket.told = True
            notices.tell_too_fast(self.hub, name)
        self._wake(60 / settings.number("rate"))
        return False

    def _sent(self, name: str) -> list[tuple[str, Stamp]]:
        """Return an outbox's files in the order in which they were saved."""
        folder = f"agents/{name}/outbox"
        if self.only is None:
            found = self._scan(folder)
        else:
            found = []
            for path in self.hinted.get(folder, ()):
                stamp = self._stamp(path)
                if stamp is None:
                    self.eyes.sights.pop(path, None)
                else:
                    found.append((path, stamp))
        return sorted(found, key=lambda f: (f[1].mtime_ns, f[1].ctime_ns, f[0]))

    # live ground

    def live(self) -> list[str]:
        """Return the paths on live ground that differ from the truth."""
        return [path for path, stamp in self._candidates() if self._differs(path, stamp)]

    def _candidates(self) -> Iterable[tuple[str, Stamp | None]]:
        if self.only is not None:
            for path in sorted(self.only):
                if "/outbox/" not in path and _counts(path) and self._is_ground(path):
                    yield path, self._stamp(path)
            return
        for folder in self._folders():
            if self.there(folder):
                found = dict(self._scan(folder))
                for path in sorted(set(found) | self._expected(folder)):
                    yield path, found.get(path)
        for path in _TOP:
            yield path, self._stamp(path)

    def _is_ground(self, path: str) -> bool:
        """Return whether anything that is judged may lie here."""
        spot = place.spot(path)
        if spot is not None and spot.agent:
            known = spot.folder in ("inbox", "waiting") and spot.agent in self.hub.state.cards
        else:
            known = path in _TOP or path.startswith(("cards/", "leases/", "contract/"))
        return known and ("/" not in path or self.there(path.rpartition("/")[0]))

    def _folders(self) -> list[str]:
        names = sorted(self.hub.state.cards)
        own = [f"agents/{name}/{folder}" for name in names for folder in ("inbox", "waiting")]
        return [*own, "cards", "leases", "contract", "contract/schema"]

    def _expected(self, folder: str) -> set[str]:
        if folder.startswith("contract"):
            return {p for p in self.hub.state.fixed if p.rpartition("/")[0] == folder}
        return self.hub.state.paths_in(folder)

    def _differs(self, path: str, stamp: Stamp | None) -> bool:
        if path == "contract/schema" or path in self.hub.acting.owed:
            return False
        if stamp is not None and self.eyes.same.get(path) == stamp:
            return False
        truth = self.hub.truth(path)
        read = self._read(path) if stamp is not None else None
        if isinstance(read, Bytes) and read.data == truth:
            self.eyes.remember(path, read.stamp, self.wall)
            self.eyes.sights.pop(path, None)
            return False
        if stamp is None and truth is None:
            self.eyes.sights.pop(path, None)
            return False
        self._seen(path, stamp)
        return True

    # whether it is time

    def _wake(self, seconds: float) -> None:
        at = self.mono + seconds
        self.eyes.wake_at = at if self.eyes.wake_at is None else min(at, self.eyes.wake_at)

    def _seen(self, path: str, stamp: Stamp | None) -> Sight:
        sight = self.eyes.sights.get(path)
        if sight is None or sight.stamp != stamp:
            sight = self.eyes.sights[path] = Sight(stamp, self.mono)
        return sight

    def _quiet(self, path: str, stamp: Stamp | None) -> float:
        """Return for how many seconds a file has looked as it does; its own times count if they are past."""
        quiet = self.mono - self._seen(path, stamp).since
        if stamp is not None:
            age = self.wall - max(stamp.mtime_ns, stamp.ctime_ns) / 1e9
            quiet = max(quiet, age)
        return quiet

    def _ready(self, path: str, stamp: Stamp | None, least: float | None = None) -> bool:
        if self.gone and path.startswith(self.gone):
            return True
        needed = self.hub.state.settings.seconds("settle") if least is None else least
        quiet = self._quiet(path, stamp)
        if quiet >= needed:
            return True
        self._wake(max(needed - quiet, 0.005))
        return False

    def _delay(self, path: str, data: bytes) -> float:
        """Return how long a changed document must be quiet: a decision waits longer."""
        settings = self.hub.state.settings
        doc = self.hub.state.live_path(path)
        if doc is not None and is_decision(doc, data):
            return max(settings.seconds("settle"), settings.seconds("decision_delay"))
        return settings.seconds("settle")

    # proposals

    def proposals(self) -> list[Proposal]:
        """Return everything that is ready to be judged, in a fair order."""
        paths = self._unless_bulk(self._unless_git(self.live()))
        found = [p for path in paths if (p := self._proposal(path)) is not None]
        found += [p for path in self.outboxes() if (p := self._outbox(path)) is not None]
        for proposal in found:
            self.eyes.sights.pop(proposal.path, None)
        return found

    def _proposal(self, path: str) -> Proposal | None:
        stamp = self._stamp(path)
        if not self._ready(path, stamp, ABSENCE if stamp is None else None):
            return None
        if stamp is None:
            return self.hub.proposal(path, None)
        read = self._read(path)
        if not isinstance(read, Bytes | NotAFile):
            self._wake(_SOON)
            return None
        if isinstance(read, Bytes):
            self.eyes.judged[path] = read.stamp
            if not self._ready(path, stamp, self._delay(path, read.data)):
                return None
        return self.hub.proposal(path, read)

    def _outbox(self, path: str) -> Proposal | None:
        read = self._read(path)
        if isinstance(read, Bytes | NotAFile):
            return self.hub.proposal(path, read)
        self._wake(_SOON)
        return None

    def _unless_git(self, paths: list[str]) -> list[str]:
        """Leave out what a person's git has written, or is writing now: see `checkout` and `following`."""
        if not paths:
            return paths
        if self.hub.ledger.at_work():
            self._wake(2 * _SOON)
            return []
        commit = checkout.base(self.hub)
        if not commit:
            return paths
        theirs = {path for path in paths if checkout.wrote(self.hub, commit, path)}
        for path in theirs:
            self.eyes.sights.pop(path, None)
        return [path for path in paths if path not in theirs]

    def _unless_bulk(self, paths: list[str]) -> list[str]:
        """Ask a person first, when very many live documents changed or went at once."""
        live = [p for p in paths if p.startswith("agents/") and self.hub.truth(p) is not None]
        question = notices.open_bulk_question(self.hub)
        if question is not None:
            return [p for p in paths if p in question.paths or not p.startswith("agents/")]
        if len(live) <= self.hub.state.settings.number("bulk"):
            self.eyes.bulk = ""
            return paths
        self.eyes.bulk = self.eyes.bulk or notices.bulk_answer(self.hub)
        if self.eyes.bulk.startswith("judge"):
            return paths
        if self.eyes.bulk.startswith("put"):
            self._put_back(live)
            return [p for p in paths if p not in live]
        notices.ask_about_bulk(self.hub, len(live))
        return []

    def _put_back(self, paths: list[str]) -> None:
        for path in paths:
            read, truth = self._read(path), self.hub.truth(path)
            if isinstance(read, Bytes):
                self.hub.spool.quarantine(read.data)
            if truth is not None:
                self.hub.acting.put(path, truth, *([read.data] if isinstance(read, Bytes) else []))
        said = f"{len(paths)} changed documents were put back; their bytes are in the quarantine"
        self.hub.log("warning", said)
        self.eyes.bulk = ""


def _counts(path: str) -> bool:
    return naming(path.rpartition("/")[2]) is not Naming.IGNORED


def is_decision(doc: Doc, data: bytes) -> bool:
    """Return whether a saved document holds a decision: it then waits for decision_delay."""
    saved = read_back(data)
    if not isinstance(saved, Document):
        return False
    if doc.kind is Kind.QUESTION or read_marks(saved.block).ticked:
        return True  # what is written under a question is an answer
    return any(saved.text(key) not in ("", doc.text(key)) for key in ("decision", "verdict", "answer"))


def due(hub: Hub) -> list[Proposal]:
    """Return the hub's own proposals whose time has come."""
    now = hub.now()
    clocks = {"wall": now.wall.timestamp(), "mono": now.mono}
    return [ask("expire", t.document) for t in hub.timers.due(clocks)]


def look_ready(hub: Hub, only: set[str] | None = None) -> list[Outcome]:
    """Judge what is ready now, and what is due. `hub.eyes.wake_at` says when to look again."""
    hub.act()
    hub.settle(hub.acting.leftovers())
    look = Look(hub, hub.eyes, only)
    if only is None:
        notices.tell_strays(hub)
    proposals = look.proposals() + due(hub)
    outcomes = hub.judge_all(proposals) if proposals else []
    hub.settle(hub.acting.aside())
    return outcomes


def gather(hub: Hub, agent: str, whole: bool = True) -> list[Outcome]:
    """Judge at once all that an agent has saved: its process has ended.

    `whole`: nobody else writes there, so that every file is all there; else what is quiet is judged.
    """
    outcomes: list[Outcome] = []
    for _ in range(GATHERINGS):
        folders = [f"agents/{agent}/{folder}" for folder in ("outbox", "inbox", "waiting")]
        paths = {path for folder in folders[1:] for path in hub.state.paths_in(folder)}
        for folder in folders:
            with suppress(FolderBlocked):
                paths |= {f"{folder}/{name}" for name, _ in hub.spool.scan(folder)}
        proposals = Look(hub, hub.eyes, paths, agent if whole else "").proposals()
        if not proposals:
            break
        outcomes += hub.judge_all(proposals)
        hub.settle(hub.acting.aside())
    return outcomes


def look_once(hub: Hub, patience: float | None) -> list[Outcome]:
    """Judge until nothing more is ready.

    `patience`: seconds to wait for files that are not quiet yet; None for as long as one settling takes.
    """
    outcomes: list[Outcome] = []
    settings = hub.state.settings
    waited, most = 0.0, settings.seconds("settle") * 1.5 if patience is None else patience
    while True:
        found = look_ready(hub)
        if found:
            outcomes += found
            continue
        if hub.eyes.wake_at is None or waited >= most:
            return outcomes
        pause = min(max(hub.eyes.wake_at - hub.now().mono, 0.005), most - waited + 0.005)
        hub.pause(pause)
        waited += pause


__all__ = ["Look", "due", "gather", "look_once", "look_ready"]
