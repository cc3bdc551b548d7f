"""Wake the hub when something may have changed in its folders.

Guarantee: nothing raises out of the watching thread, and when it is deaf `healthy` says so.
Rule 1: this is watchfiles' only home. Rule 2: a wake-up is a hint and carries no fact: not what happened,
not that it happened, not that nothing else did. Whoever wakes looks at the disk.
Rule 3: after every doubt (a start, a fault, a change of folders, a flood) the hint is "look at everything".

Each folder is watched by itself, not a tree from its root. A tree watched recursively follows links out of
the mailbox, walks into whatever an agent keeps beside its inbox, and misses files in folders that are made
while it looks; a list of folders has none of that, and a new folder is seen in its parent, which makes the
list anew.

The library looks for news every `step` milliseconds and gives them out at the step after: 1 ms is quick (1.5
ms from rename to wake) and costs up to 2.5 % of a core. So it is quick while there is news, and looks every
20 ms when there has been none for a while (0.3 %); the first file after such a pause wakes the hub some 30
ms late.

Not promised: every event. The kernel drops events when its queue is full and the library does not pass that
on; it also loses what arrives in the microseconds in which it hands out a batch. The hub looks at its
folders anyway.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

from watchfiles._rust_notify import RustNotify

from hubd.core.naming import Naming, naming

__all__ = ["Backend", "Hints", "Watch", "watchfiles_backend"]

_DEBOUNCE = 5  # ms that a batch may grow
_QUICK, _CALM = 1, 20  # ms between two looks
_QUICK_FOR = 5.0  # s after the last news
_LOOK = 5_000  # ms: how often the list of folders is made anew, just in case
_FLOOD = 1_000  # changes in one batch: more may have been lost
_MOST_HINTS = 10_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # s before watching again after a fault

Batch = set[tuple[int, str]] | Literal["signal", "stop", "timeout"]


class Backend(Protocol):
    """What is used of watchfiles: its `RustNotify`."""

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: threading.Event | None
    ) -> Batch: ...

    def close(self) -> None: ...


def watchfiles_backend(folders: list[str]) -> Backend:
    """The folders themselves, not what lies below them. Raises where one of them cannot be watched."""
    return RustNotify(folders, False, False, 300, False, False)


@dataclass(frozen=True, slots=True)
class Hints:
    """Where to look."""

    paths: frozenset[str]
    everything: bool
    """Look at all there is; `paths` is then only where something is known to have happened."""

    def __bool__(self) -> bool:
        return self.everything or bool(self.paths)


def _nothing() -> None:
    pass


class Watch:
    """A thread that watches some folders and collects hints until they are taken.

    `folders` says which, each time it is asked; what it lists must be folders, not links. `on_wake` is
    called in the watching thread at the first hint after a `take`; `fileno` becomes readable at the same
    time, for a program that waits for several things. Names that only editors use, and the paths in `quiet`,
    wake nobody.
    """

    def __init__(
        self,
        folders: Callable[[], Iterable[Path]],
        on_wake: Callable[[], None] = _nothing,
        quiet: Collection[str] = (),
        backend: Callable[[list[str]], Backend] = watchfiles_backend,
    ) -> None:
        self._folders = folders
        self._on_wake = on_wake
        self._quiet = frozenset(quiet)
        self._backend = backend
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._paths: set[str] = set()
        self._everything = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self.faults = 0
        """How often watching has ended by itself."""
        self.fault = ""
        """Why it ended last."""

    @property
    def healthy(self) -> bool:
        """Whether the folders are being watched at this moment, as far as the library tells."""
        return self._listening.is_set() and self._thread is not None and self._thread.is_alive()

    def fileno(self) -> int:
        return self._wake

    def start(self) -> None:
        if self._thread is not None:
            raise RuntimeError("a watch is started once")
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def wait_until_healthy(self, seconds: float) -> bool:
        """Wait until the folders are watched for the first time, or until `seconds` have passed."""
        return self._listening.wait(seconds)

    def stop(self) -> None:
        """End the thread. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def take(self) -> Hints:
        """The hints collected since the last `take`; none of them is given twice."""
        with self._guard:
            if self._paths or self._everything:
                os.eventfd_read(self._wake)
            hints = Hints(frozenset(self._paths), self._everything)
            self._paths.clear()
            self._everything = False
            return hints

    def _hint(self, paths: Iterable[str] = (), everything: bool = False) -> None:
        with self._guard:
            news = not self._paths and not self._everything
            self._paths.update(paths)
            if len(self._paths) > _MOST_HINTS:
                self._paths.clear()
                everything = True
            self._everything = self._everything or everything
            if not self._paths and not self._everything:
                return
            if news:
                os.eventfd_write(self._wake, 1)
        if news:
            self._on_wake()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._watch()
                pause = _FIRST_PAUSE
            # Whatever it is (the library can even panic), the hub must not lose its eyes for good over it. It
            # is told in `fault`, and what may have been missed is looked for.
            except BaseException as error:  # noqa: BLE001
                self.faults += 1
                self.fault = f"{type(error).__name__}: {error}"
                lasted = time.monotonic() - began > 2 * _LONGEST_PAUSE
                pause = _FIRST_PAUSE if lasted else min(2 * pause, _LONGEST_PAUSE)
                self._hint(everything=True)
            self._stop.wait(pause)

    def _watch(self) -> None:
        """Watch until the list of folders changes, the watch is stopped, or something breaks."""
        folders = self._identified()
        backend = self._backend(list(folders))
        try:
            if self._identified() != folders:
                return  # it changed before it was watched
            self._listening.set()
            self._hint(everything=True)
            latest = time.monotonic()
            while True:
                quick = time.monotonic() - latest < _QUICK_FOR
                batch = backend.watch(_DEBOUNCE, _QUICK if quick else _CALM, _LOOK, self._stop)
                if isinstance(batch, str):
                    if batch == "stop" or (batch == "timeout" and self._identified() != folders):
                        return
                    continue
                latest = time.monotonic()
                paths = {path for _, path in batch}
                self._hint(filter(self._wakes, paths), everything=len(paths) >= _FLOOD)
                # A watched folder itself was touched: the one of this name may be another now. A folder that
                # is new may be one to watch.
                if not paths.isdisjoint(folders):
                    return
                if any(_is_folder(path) for path in paths) and self._identified() != folders:
                    return
        finally:
            self._listening.clear()
            backend.close()

    def _wakes(self, path: str) -> bool:
        return path not in self._quiet and naming(os.path.basename(path)) is not Naming.IGNORED

    def _identified(self) -> dict[str, tuple[int, int]]:
        """The folders to watch, and which folder each one is: one of the same name may take its place."""
        found = {}
        for folder in self._folders():
            seen = os.stat(folder, follow_symlinks=False)
            found[os.fspath(folder)] = (seen.st_dev, seen.st_ino)
        if not found:
            raise FileNotFoundError("there is no folder to watch")
        return found


def _is_folder(path: str) -> bool:
    # Documents, by far the most, are told by their name.
    if path.endswith(".md"):
        return False
    try:
        return stat.S_ISDIR(os.stat(path, follow_symlinks=False).st_mode)
    except OSError:
        return False
