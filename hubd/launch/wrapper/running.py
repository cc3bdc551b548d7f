"""One run, from its start to the moment when nothing of it is left.

Guarantee: however it ends (by itself, by a time limit, by order, by the hub's death, by our own failure), the
agent is asked to stop, gets its grace, is killed, and everything it has left behind is swept; then, and only
then, `ended` is said.
Rule 1: the first reason stands. Rule 2: nothing but `spawn` and the sweep may take longer than an instant.

    starting -> running -> stopping -> leaving -> over
                   |                      |
                   +----------------------+  its main process has ended: what it left behind is asked to end,
                                             gets a second at most, and is swept
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Any, Literal

from hubd.launch import kernel
from hubd.launch.cgroup import Group
from hubd.launch.spec import Spec
from hubd.launch.sweeping import Tree
from hubd.launch.wrapper.audience import Audience
from hubd.launch.wrapper.loop import Call, Loop
from hubd.launch.wrapper.recording import Recording
from hubd.launch.wrapper.runtime import CannotStart, Exit, Maker, Runtime, Stream
from hubd.launch.wrapper.speaking import Hub

__all__ = ["Reason", "Run"]

Reason = Literal["exit", "timeout", "stop", "gone", "error"]

_OFTEN = 1.0  # seconds between two `output` events
_LEFT_BEHIND = 1.0  # for what outlives the main process, to end by itself
_ASK = 0.05
_KILLED = 10.0  # from the kill until the wrapper goes on without having seen the end


class Run:
    """Is the `Room` of its runtime."""

    def __init__(self, spec: Spec, hub: Hub, make: Maker) -> None:
        self.spec = spec
        self._hub = hub
        self._reason: Reason | None = None
        self._error = ""
        self._exit: Exit | None = None
        self._began: float | None = None
        self._pid: int | None = None
        self._leaving = False
        self._over = False
        self._said = 0  # how much output the hub knows of
        self._saying = False
        self._created = time.monotonic()
        self._loop = Loop()
        self._folder = os.open(spec.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._recording = Recording(spec, self._folder)
        self._runtime: Runtime = make(self)
        self._audience = Audience(self, self._folder, self._runtime, self._resize)
        kernel.adopt_orphans()
        self.group = Group.make(spec.tag) if spec.cgroup else None
        self._tree = Tree(spec.tag, os.getpid(), self.group, reaped=self._runtime.reaped)

    # The room

    def watch(self, fd: int, readable: Call | None = None, writable: Call | None = None) -> None:
        self._loop.watch(fd, readable, writable)

    def forget(self, fd: int) -> None:
        self._loop.forget(fd)

    def later(self, seconds: float, call: Call) -> None:
        self._loop.later(seconds, call)

    def output(self, stream: Stream, data: bytes) -> None:
        self._recording.write(stream, data)
        self._audience.show(data)
        if not self._saying:
            self._tell_output()

    def began(self, pid: int | None) -> None:
        self._pid = pid
        self._began = time.monotonic()
        self._hub.say(event="started", pid=pid)
        if self.spec.timeout:
            self.later(self.spec.timeout, lambda: self.stop("timeout"))

    def signal_all(self, number: int) -> None:
        self._tree.signal(number)

    # Its course

    def go(self) -> None:
        """Run it to its end."""
        self._loop.watch(self._hub.fileno, self._obey)
        self._loop.on_signal(signal.SIGCHLD, lambda: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.on_signal(number, lambda: self.later(0, lambda: self.stop("stop")))
        try:
            self._runtime.start()
            self._obey()  # what came together with the spec wakes nobody
            while not self._over:
                self._loop.turn()
                self._look()
        except CannotStart as why:
            self._reason, self._error = self._reason or "error", str(why)
        except Exception as error:
            self._reason, self._error = "error", f"the wrapper failed: {error!r}"
            raise
        finally:
            try:
                self._finish()
            except Exception as error:
                # Whatever else is broken: nothing is left, and the hub is told.
                swept, _ = Tree(self.spec.tag, os.getpid(), self.group).end()
                self._hub.say(**self._last(swept, f"the wrapper failed: {error!r}"))
                raise

    def _obey(self) -> None:
        for order in self._hub.orders():
            if order is None:
                self._loop.forget(self._hub.fileno)
                self.stop("gone")
            elif order.get("do") == "stop":
                self.stop("stop")
            elif order.get("do") == "type" and isinstance(text := order.get("text"), str):
                data = text.encode("utf-8", "replace")
                if not (self._runtime.interactive and self._runtime.type(data)):
                    self._hub.say(event="dropped", bytes=len(data))

    def _resize(self, columns: int, rows: int) -> None:
        self._runtime.resize(columns, rows)
        self._recording.resized(columns, rows)

    def stop(self, reason: Reason) -> None:
        """Ask the agent to end, and see to it that it does."""
        if self._reason is None:
            self._reason = reason
            self._runtime.signal(self.spec.signal)
            self.later(self.spec.grace, self._kill)

    def _kill(self) -> None:
        if self._exit is None:
            self._runtime.kill()
            self.later(_KILLED, self._end)

    def _end(self) -> None:
        self._over = True

    def _look(self) -> None:
        """See who has ended, and what follows from that."""
        childless = self._tree.reap()
        if self._exit is None:
            self._exit = self._runtime.ended()
            if self._exit is None:
                return
        if not self._leaving:
            self._leaving = True
            self._reason = self._reason or "exit"
            self._runtime.drain()
            if not childless:
                self._ask(set())
                self.later(min(self.spec.grace, _LEFT_BEHIND), self._end)
        self._over = self._over or childless

    def _ask(self, asked: set[tuple[int, int]]) -> None:
        """Ask what was left behind to end; also what is started meanwhile."""
        asked |= self._tree.signal(signal.SIGTERM, asked)
        self.later(_ASK, lambda: self._ask(asked))

    def _finish(self) -> None:
        """Leave nothing, and say so."""
        known = () if self._pid is None or self._exit is not None else (self._pid,)
        swept, left = self._tree.end(known=known)
        self._exit = self._exit or self._late_exit()
        self._runtime.drain()
        trouble = [self._error, self._runtime.trouble, self._clean_up(), self._recording.trouble]
        if left:
            trouble.append(f"{left} processes of another user, or stuck in the kernel, are left")
        self._recording.close()
        last = self._last(swept, "; ".join(filter(None, trouble)))
        self._audience.close(last)
        self._hub.say(**last)

    def _last(self, swept: int, error: str) -> dict[str, Any]:
        how = self._exit or Exit()
        return {
            "event": "ended",
            "reason": self._reason or "error",
            "exit": how.code,
            "signal": how.signal,
            "seconds": round(time.monotonic() - (self._began or self._created), 3),
            "swept": swept,
            "bytes": self._recording.total,
            "error": error,
        }

    def _late_exit(self) -> Exit | None:
        with suppress(CannotStart):
            return self._runtime.ended()
        return None

    def _clean_up(self) -> str:
        try:
            self._runtime.clean_up()
        except OSError as error:
            return f"cleaning up failed: {error}"
        return ""

    def _tell_output(self) -> None:
        """Say how much was printed, now, and then at most once in a while."""
        self._saying = self._recording.total != self._said
        if self._saying:
            if self._hub.total(self._recording.total):
                self._said = self._recording.total
            self.later(_OFTEN, self._tell_output)
