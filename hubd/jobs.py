"""Work that takes its time, beside the one thread that decides: git in people's projects, starting a client.

Guarantee: what is asked under one key is done in the order in which it was asked; what comes of it is handed
over in the daemon's own thread, when that calls `take`.
Rule: a job touches neither the hub nor its state. It is given values, and answers with a value or an error.

Not promised: that a job ends with the daemon. Its threads do not hold up the end of the process.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Act = Callable[[], Any]
Then = Callable[[Any], object]
"""Is given what the job answered, or the exception that it ended with."""


@dataclass(frozen=True, slots=True)
class _Job:
    key: str
    act: Act
    then: Then


class Jobs:
    """Threads, one for each key that has something to do; `fileno` is readable when something is done."""

    def __init__(self) -> None:
        self._done: deque[tuple[_Job, Any]] = deque()
        self._waiting: dict[str, deque[_Job]] = {}
        self._guard = threading.Lock()
        self._closed = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._read

    def ask(self, key: str, act: Act, then: Then) -> None:
        """Do something after whatever was asked under this key before, and tell `then` of it."""
        job = _Job(key, act, then)
        with self._guard:
            waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.append(job)
                return
            self._waiting[key] = deque()
        threading.Thread(target=self._work, args=(job,), name=f"job {key}", daemon=True).start()

    def busy(self, key: str = "") -> bool:
        """Return whether something is under way, or done and not taken yet."""
        with self._guard:
            return bool(self._done) or (key in self._waiting if key else bool(self._waiting))

    def _work(self, job: _Job) -> None:
        while True:
            try:
                answer = job.act()
            except BaseException as error:  # noqa: BLE001 - it is told to the one who asked
                answer = error
            with self._guard:
                if self._closed:
                    return
                self._done.append((job, answer))
                with suppress(BlockingIOError):  # it is full, so the daemon wakes anyway
                    os.write(self._write, b".")
                waiting = self._waiting[job.key]
                if not waiting:
                    del self._waiting[job.key]
                    return
                job = waiting.popleft()

    def take(self) -> None:
        """Hand over what is done. Call it in the thread that decides."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)
        while True:
            with self._guard:
                if not self._done:
                    return
                job, answer = self._done.popleft()
            job.then(answer)

    def close(self) -> None:
        """Hand over nothing more."""
        with self._guard:
            self._closed = True
            os.close(self._read)
            os.close(self._write)
