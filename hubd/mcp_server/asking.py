"""Questions to the read model: over the daemon's socket, else from the ledger opened for reading.

Guarantee: asking never judges, locks or writes. Without a daemon a document that was saved and not yet judged
is not seen, which `hubctl` would have judged.
Rule: many threads may ask at once. A view of the ledger is kept until the ledger has another tip.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hubd.client import Unreachable, tap
from hubd.layout import Layout

if TYPE_CHECKING:
    from hubd.query import View

__all__ = ["Asking", "Failed"]

WAIT = 10.0
_NOT_READ = "look at the rights on the mailbox's folders"


class Failed(Exception):
    """There is no answer: what is the matter, and what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint


class Asking:
    """One mailbox, to be asked."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._view: View | None = None
        self._tip = ""

    def ask(self, what: str, who: str = "", **args: Any) -> dict[str, Any]:
        """Ask as somebody, or as nobody. Raises Failed."""
        given = {**args, **({"as": who} if who else {})}
        try:
            told = tap(self.layout, {"do": "query", "what": what, "args": given}, WAIT)
            if told is None:
                told = self._read(what, given)
        except Unreachable as error:
            raise Failed(error.code, error.what, error.hint) from error
        if told.get("ok") is False:
            raise Failed(str(told["code"]), str(told["message"]), str(told.get("hint", "")))
        return told

    def _read(self, what: str, args: dict[str, Any]) -> dict[str, Any]:
        from hubd import query
        from hubd.ledger import LedgerError

        with self._lock:
            try:
                return query.answer(self._look(), what, args, self._facts())
            except LedgerError as error:
                self._forget()
                raise Failed("hub-trouble", error.what, error.hint) from error
            except OSError as error:
                self._forget()
                raise Failed("hub-trouble", str(error), _NOT_READ) from error

    def _look(self) -> View:
        from hubd.query.reading import reading

        if self._view is None or self._view.ledger.tip() != self._tip:
            self._forget()
            self._view = view = self._open.enter_context(reading(self.layout))
            self._tip = view.ledger.tip()
        return self._view

    def _facts(self) -> dict[str, Any]:
        """A daemon that may not be spoken to from here is told of all the same."""
        from hubd.clock import SystemClock
        from hubd.core.time import parse_wall
        from hubd.lease import HubLock

        holder = HubLock(self.layout.lock).holder()
        since = parse_wall(holder.since) if holder is not None and holder.mode == "daemon" else None
        if holder is None or since is None:
            return {}
        return {"pid": holder.pid, "uptime": (SystemClock().now().wall - since).total_seconds()}

    def _forget(self) -> None:
        self._view = None
        self._open.close()

    def close(self) -> None:
        """End the process that reads the ledger, if there is one."""
        with self._lock:
            self._forget()
