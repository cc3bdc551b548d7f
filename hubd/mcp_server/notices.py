"""Who listens to which resource, and the news that one has changed.

Guarantee: whoever listens is told within 100 ms of the commit after which a resource reads otherwise, and not
of others; a resource is compared, from the moment somebody began to listen, with what it was.
How: while anybody listens, the file of `refs/hub/main` is looked at every 40 ms (a stat, some microseconds);
only when it has moved is the read model asked, once, for the stamps of all that is listened to. That needs
nothing of the daemon and works beside steps of `hubctl` too, which no daemon would tell of.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from hubd.mcp_server.asking import Asking, Failed
from hubd.mcp_server.resources import spot

__all__ = ["ALL", "Notices"]

EVERY = 0.04
ALL = ""
"""Listened to as a resource is: the list of all resources."""
_FORMS = {"inbox": "inboxes", "document": "documents", "task": "tasks"}
_REFS = ("refs/hub/main", "packed-refs")
MOST = 500

Tell = Callable[[str], Awaitable[None]]


class Notices:
    """The resources that somebody listens to, and how they looked."""

    def __init__(self, asking: Asking, tell: Tell) -> None:
        self._asking = asking
        self._tell = tell
        self._count: Counter[str] = Counter()
        self._stamps: dict[str, str] = {}
        self._listened = anyio.Event()

    async def listen(self, uris: Iterable[str]) -> None:
        """Begin to look at these. Raises Failed where a URI means nothing, or there are too many."""
        names = list(uris)
        for uri in names:
            if uri != ALL:
                spot(uri)
        fresh = [uri for uri in names if not self._count[uri]]
        if len(self._count) + len(fresh) > MOST:
            raise Failed("too-many", f"more than {MOST} resources are listened to", "listen to fewer")
        stamps = await self._look(fresh) if fresh else {}
        self._count.update(names)
        for uri, stamp in stamps.items():
            self._stamps.setdefault(uri, stamp)
        self._listened.set()

    def leave(self, uris: Iterable[str]) -> None:
        """Somebody does not listen to these any more."""
        for uri in uris:
            self._count[uri] -= 1
            if self._count[uri] <= 0:
                del self._count[uri]
                self._stamps.pop(uri, None)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look, and tell, as long as this lasts."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    async def _watch(self) -> None:
        seen: object = None
        while True:
            if not self._count:
                self._listened = anyio.Event()
                await self._listened.wait()
                seen = None  # what was recorded while the first one came is looked at too
            looks = self._looks()
            if looks != seen and await self._news():
                seen = looks
            await anyio.sleep(EVERY)

    def _looks(self) -> tuple[object, ...]:
        return tuple(_stamp_of(self._asking.layout.git_dir / ref) for ref in _REFS)

    async def _news(self) -> bool:
        """Tell of what has changed. False where that could not be found out just now."""
        try:
            stamps = await self._look(list(self._count))
        except Failed:
            await anyio.sleep(0.5)  # the next look tries again; who listens loses nothing
            return False
        for uri, stamp in stamps.items():
            if self._count[uri] and self._stamps.get(uri, stamp) != stamp:
                self._stamps[uri] = stamp
                await self._tell(uri)
        return True

    async def _look(self, uris: list[str]) -> dict[str, str]:
        asked: dict[str, list[str]] = {what: [] for what in _FORMS.values()}
        spots = {uri: spot(uri) for uri in uris if uri != ALL}
        for at in spots.values():
            asked[_FORMS[at.form]].append(at.name)
        ask = partial(self._asking.ask, "stamps", "", **asked)
        told: dict[str, Any] = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
        found = {uri: str(told[_FORMS[at.form]].get(at.name, "")) for uri, at in spots.items()}
        return {**found, **({ALL: str(told["names"])} if ALL in uris else {})}


def _stamp_of(path: os.PathLike[str]) -> object:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size
