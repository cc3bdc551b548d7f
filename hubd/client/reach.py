"""Questions and proposals, whoever the hub is: a daemon, this process for one step, or somebody else's step.

Rule: the lock is held from the first step to `rest`; who waits for something calls `rest` before it sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hubd.client import cards
from hubd.client.fate import fate
from hubd.client.wire import Unreachable, drop, tap
from hubd.core import place
from hubd.layout import Layout

if TYPE_CHECKING:
    from hubd.hub import Hub

__all__ = ["WAIT", "Client"]

WAIT = 10.0
_LOCK_WAIT = 0.3
_ABSENCE = 1.5  # seconds after which a file that is gone is known to be judged
_LATELY = 50  # commits in which what became of a card is looked for
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2)
_DEEP = ("find", "show", "family")  # may search the archive by a prefix: not in the daemon's time
_WALKS = ("id", "agent", "kind", "task", "since", "until")  # may walk all of history: neither
_ALL = 2**62


class Client:
    """One command's way to the hub."""

    def __init__(self, layout: Layout, wait: float | None = None) -> None:
        self.layout = layout
        self.wait = WAIT if wait is None else wait
        self._hub: Hub | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rest()

    def ping(self) -> dict[str, Any] | None:
        """The daemon's pid, and whether it is ready; None where none answers."""
        return tap(self.layout, {"do": "ping"}, self.wait)

    # questions

    def query(self, what: str, **args: Any) -> dict[str, Any]:
        """Ask the read model."""
        walks = what in ("log", "runs") and any(args.get(key) for key in _WALKS)
        if walks or what == "stats":
            return self._read(what, {"scan": _ALL, **args})
        told = None
        if self._hub is None:
            told = tap(self.layout, {"do": "query", "what": what, "args": args}, self.wait)
        if told is None:
            return self._query_here(what, args)
        if what in _DEEP and told.get("code") == "unknown-id":
            return self._read(what, {**args, "archive": True})
        return told

    def _query_here(self, what: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """No daemon: judge what was saved, then answer. Beside somebody else's step: only read."""
        hub = self._become()
        if hub is None:
            return self._read(what, {**args, "archive": True})
        from hubd import query

        with _told():
            return query.answer(hub, what, {**args, "archive": True})

    def _read(self, what: str, args: Mapping[str, Any]) -> dict[str, Any]:
        from hubd import query
        from hubd.clock import SystemClock
        from hubd.core.time import parse_wall
        from hubd.lease import HubLock
        from hubd.query.reading import reading

        holder = HubLock(self.layout.lock).holder()
        since = parse_wall(holder.since) if holder is not None and holder.mode == "daemon" else None
        facts: dict[str, Any] = {}
        if holder is not None and since is not None:
            facts = {"pid": holder.pid, "uptime": (SystemClock().now().wall - since).total_seconds()}
        with _told(), reading(self.layout) as view:
            return query.answer(view, what, args, facts)

    # proposals

    def send(self, agent: str, data: bytes, stem: str) -> dict[str, Any]:
        """Save a document in an agent's outbox, and return what became of it."""
        name = drop(self.layout, agent, data, stem)
        deadline = time.monotonic() + self.wait
        pauses = iter(_PAUSES)
        while True:
            told = self._submit(agent, name, max(deadline - time.monotonic(), 0.1))
            if told is None or told.get("code") == "gone":
                with _told():
                    told = fate(self.layout, agent, name, data)
            if told is not None:
                return told
            if time.monotonic() >= deadline:
                raise Unreachable(
                    f"nobody judged agents/{agent}/outbox/{name} within {self.wait:g} s",
                    "it stays there and is judged when hubd runs (`hubctl up`); remove it to take it back",
                )
            time.sleep(next(pauses, _PAUSES[-1]))

    def _submit(self, agent: str, name: str, timeout: float) -> dict[str, Any] | None:
        if self._hub is None:
            told = tap(self.layout, {"do": "submit", "agent": agent, "name": name}, timeout)
            if told is not None:
                return told
        hub = self._become()
        if hub is None:
            return None
        with _told():
            outcome = hub.submit(agent, name)
            hub.look()
        return outcome.as_json() if outcome is not None else None

    def card(self, name: str, data: bytes | None) -> dict[str, Any]:
        """Save a card, or with None remove it, and return what became of that."""
        path = place.card(name)
        last = self.query("log", limit=1, upkeep=True)["transitions"]
        before = int(last[0]["seq"]) if last else 0
        if data is None:
            cards.remove(self.layout, name)
        else:
            cards.save(self.layout, name, data)
        deadline = time.monotonic() + self.wait
        pauses = iter(_PAUSES)
        while True:
            if self._hub is not None:
                with _told():
                    self._hub.look(_ABSENCE)
            rows = self.query("log", limit=_LATELY, upkeep=True)["transitions"]
            row = next((r for r in rows if r["seq"] > before and r["source"] == path), None)
            if row is not None:
                return cards.outcome_of(row, self.query("show", id=row["document"]))
            if time.monotonic() >= deadline:
                raise Unreachable(
                    f"nobody judged {path} within {self.wait:g} s",
                    "it stays as it is and is judged when hubd runs (`hubctl up`)",
                )
            time.sleep(next(pauses, _PAUSES[-1]))

    # being the hub

    def _become(self) -> Hub | None:
        """Be the hub, with all judged that was saved meanwhile; None where another is, or we may not be."""
        if self._hub is not None:
            return self._hub
        from hubd.hub import Hub
        from hubd.lease import HubBusy, LeaseError

        with _told():
            try:
                self._hub = Hub.open(self.layout.root, "step", wait=_LOCK_WAIT)
            except (HubBusy, LeaseError):
                return None
            self._hub.judge_all(self._hub.dead_workers())
            self._hub.look()
        return self._hub

    def rest(self) -> None:
        """Stop being the hub, if this process was. It becomes it again when it must."""
        hub, self._hub = self._hub, None
        if hub is None:
            return
        from hubd import query
        from hubd.following import Following

        with _told():
            try:
                query.write_now(hub)
                Following(hub).rest()
            finally:
                hub.close()


@contextmanager
def _told() -> Iterator[None]:
    """Turn the ledger's and the disk's troubles into the one that a front end can tell."""
    from hubd.ledger import LedgerError
    from hubd.spool import SpoolError

    try:
        yield
    except (LedgerError, SpoolError) as error:
        raise Unreachable(error.what, error.hint, "hub-trouble") from error
    except OSError as error:
        raise Unreachable(str(error), "look at the rights on the mailbox's folders", "hub-trouble") from error
