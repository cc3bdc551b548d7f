"""The runtime of agents that see only what they are given: a container, by way of its engine.

Guarantee: the agent has no capability and gains none, sees the mailbox without .git and without the folders
of others, writes its own, and has its prompt on standard input. When the run is over its container is
removed, however it ended; if the wrapper is killed, `engine.clear` finds the container by its labels.
Rule 1: the engine is never waited for, but in `clean_up`: it may be busy, or gone, and a stop must be heard.
Rule 2: nothing is fetched: an image that the engine does not have is an error.

    create -> attach its output -> attach its input -> start -> began -> its output ends -> how did it end?

What it prints and what it reads are two connections: when an agent ends without having read its prompt,
podman gives up the one it cannot write to, and what was printed last would be lost with it. The engine keeps
no log of its own: ours has a cap.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from hubd.launch import questions, sources
from hubd.launch.box import Box, container_name, inside, read_box, settings
from hubd.launch.engine import Engine, Exchange, Multiplexed, find_socket, finish
from hubd.launch.mounting import Ground, Mount, Unfit, mounts
from hubd.launch.processes import tag_of
from hubd.launch.questions import GONE, Answer, EngineError, Request, judge
from hubd.launch.wrapper.runtime import PIECE, CannotStart, Exit, Room

__all__ = ["Container"]

_KILL = 9
_HURRY = 15.0
"""How long `clean_up` waits for each answer."""
_LAST = 256
"""How many pieces of output are read at most, once it has ended."""

_Course = Generator[Request | None, Answer, None]
"""Asks one question after the other, and is sent each answer; None: go on when the output has ended."""


class Container:
    """See `Runtime`."""

    interactive = False

    def __init__(self, room: Room) -> None:
        self._room = room
        self._name = container_name(room.spec.tag)
        self._engine: Engine | None = None
        self._ground: Ground | None = None
        self._box = Box("")
        self._course: _Course | None = None
        self._asking: Exchange | None = None
        self._told: set[Exchange] = set()
        self._output: socket.socket | None = None
        self._input: socket.socket | None = None
        self._parts = Multiplexed()
        self._prompt = memoryview(room.spec.stdin.encode("utf-8", "replace"))
        self._asked_for = False
        self._running = False
        self._wanted = 0  # the signal that came before it ran
        self._sent: set[int] = set()
        self._exit: Exit | None = None
        self._failure: CannotStart | None = None
        self.trouble = ""
        """What else there is to say about its end."""

    def start(self) -> None:
        spec = self._room.spec
        try:
            self._box = read_box(spec.container, spec.env.get("HOME") or os.path.expanduser("~"))
            self._engine = Engine(find_socket(spec.engine, os.environ))
            self._ground = self._stand(self._engine)
            mounted = mounts(self._ground, self._box.mounts)
            sources.cover(self._ground)
            sources.check(mounted)
            self._course = self._go(self._body(self._engine, mounted))
        except (Unfit, EngineError) as error:
            raise CannotStart(f"{error.what} ({error.hint})") from error
        except OSError as error:
            raise CannotStart(f"the container cannot be prepared: {error}") from error
        self._advance(next)

    def _stand(self, speaking: Engine) -> Ground:
        spec = self._room.spec
        mailbox, agent = spec.env.get("HUB_MAILBOX", ""), spec.env.get("HUB_AGENT", "")
        if not all(path.startswith("/") for path in (mailbox, spec.cwd)):
            raise CannotStart("a container needs its folder, and HUB_MAILBOX, as whole paths")
        return Ground(
            mailbox=PurePosixPath(mailbox),
            agent=agent,
            folder=PurePosixPath(spec.folder),
            cwd=PurePosixPath(os.path.normpath(spec.cwd)),
            engine=PurePosixPath(os.path.realpath(speaking.path)),
        )

    def _body(self, speaking: Engine, mounted: tuple[Mount, ...]) -> dict[str, Any]:
        """Return the container to ask for."""
        spec = self._room.spec
        if bad := next((name for name in spec.env if not name or "=" in name), None):
            raise CannotStart(f"{bad!r} cannot be the name of a variable")
        env = inside(spec.env, self._box)
        # An engine that is not root calls whoever has started it root.
        user = self._box.user or (f"{os.getuid()}:{os.getgid()}" if speaking.uid() == 0 else "0:0")
        if not self._box.user and not user.startswith("0:"):
            env.setdefault("HOME", "/tmp")  # the image knows nothing of this user
        hub, _, run = spec.tag.partition(":")
        labels = {questions.HUB: hub, questions.RUN: run, questions.AGENT: spec.env.get("HUB_AGENT", "")}
        return settings(self._box, mounted, argv=spec.argv, cwd=spec.cwd, env=env, user=user, labels=labels)

    # Its course

    def _go(self, body: dict[str, Any]) -> _Course:
        yield from self._make(body)
        if self._box.memory or self._box.cpus:
            self._limited((yield questions.inspect(self._name)).read()["HostConfig"])
        yield questions.attach(self._name, stdin=False)
        yield questions.attach(self._name, stdin=True)
        if self._unwanted():
            return
        yield questions.start(self._name)
        state = (yield questions.inspect(self._name)).read()["State"]
        self._running = True
        pid = int(state.get("Pid") or 0)
        # An engine in a virtual machine has a table of processes whose numbers mean nothing here.
        self._room.began(pid if pid > 0 and tag_of(pid) == self._room.spec.tag else None)
        if self._wanted:
            self.signal(self._wanted)
        yield None
        state = (yield questions.inspect(self._name)).read()["State"]
        if state.get("Running"):  # its end is not yet known, or it has closed its output itself
            yield questions.wait(self._name)
            state = (yield questions.inspect(self._name)).read()["State"]
        self._end(int(state.get("ExitCode") or 0), bool(state.get("OOMKilled")))

    def _make(self, body: dict[str, Any]) -> _Course:
        host = body["HostConfig"]
        self._asked_for = True
        for last in (False, False, True):
            try:
                yield questions.create(self._name, body)
                return
            except EngineError as error:
                if not last and error.status and "init binary" in error.what and host["Init"]:
                    host["Init"] = False  # podman, and no catatonit: so be it
                elif not last and (error.status == 409 or "already in use" in error.what):
                    # This very run, as its name says: it was started before, and its wrapper killed.
                    yield questions.remove(self._name)
                else:
                    raise

    def _limited(self, host: dict[str, Any]) -> None:
        """See that the engine keeps the card's limits: without cgroup v2 one that is not root drops them."""
        kept = {"memory": host.get("Memory"), "cpus": host.get("NanoCpus") or host.get("CpuQuota")}
        for limit, asked in (("memory", self._box.memory), ("cpus", self._box.cpus)):
            if asked and not kept[limit]:
                hint = f"take `{limit}` out of the card's `container`, or give the engine control groups (v2)"
                raise EngineError(f"the container engine cannot limit {limit} here", hint)

    def _unwanted(self) -> bool:
        """Whether it was told to stop before it ran."""
        if self._wanted:
            self._exit = Exit(signal=self._wanted)
        return bool(self._wanted)

    def _end(self, code: int, starved: bool) -> None:
        self.trouble = ""
        number = code - 128
        killed = number == _KILL and not self._sent
        if self._box.memory and code and (starved or killed):
            likely = "" if starved else "killed, most likely "
            self.trouble = f"{likely}out of memory (memory: {self._box.asked})"
            self._room.output("stderr", f"\n[{self.trouble}]\n".encode())
        self._exit = Exit(signal=number) if killed or number in self._sent else Exit(code=code)

    def _advance(self, step: Callable[[_Course], Request | None]) -> None:
        """Take the next step, and ask what it asks."""
        assert self._engine is not None
        assert self._course is not None
        try:
            request = step(self._course)
            while request is None and self._output is None:
                request = next(self._course)
            if request is not None:
                asking = self._asking = Exchange(self._engine.path, request)
                self._room.watch(asking.fileno(), readable=lambda: self._answered(asking))
                if request.patience != float("inf"):
                    self._room.later(request.patience, lambda: self._late(asking))
        except StopIteration:
            return
        except EngineError as error:
            self._fail(error)
        except (KeyError, TypeError, ValueError) as error:
            what = f"the container engine's answer makes no sense: {error!r}"
            self._fail(EngineError(what, "look at its version"))

    def _answered(self, asking: Exchange) -> None:
        try:
            answer = asking.read()
            if answer is None:
                return
            self._drop(asking, keep=answer.status == 101)
            judge(asking.request, answer, GONE if asking.request.method == "DELETE" else ())
        except EngineError as error:
            self._drop(asking)
            wrong = error
            self._advance(lambda course: course.throw(wrong))
            return
        if answer.status == 101:
            self._attached(*asking.release())
        self._advance(lambda course: course.send(answer))

    def _late(self, asking: Exchange) -> None:
        if self._asking is asking:
            self._drop(asking)
            self._fail(asking.late(asking.request.patience))

    def _drop(self, asking: Exchange, keep: bool = False) -> None:
        if asking.fileno() >= 0:
            self._room.forget(asking.fileno())
            if not keep:
                asking.close()
        if self._asking is asking:
            self._asking = None

    def _fail(self, error: EngineError) -> None:
        if self._running:
            self.trouble = error.what
            self._exit = Exit()
        elif not self._unwanted():
            self._failure = CannotStart(self._sentence(error))

    def _sentence(self, error: EngineError) -> str:
        command, image = self._room.spec.argv[0], self._box.image
        if re.search(r"executable file not found|exec: .*no such file or directory", error.what):
            return f"the image {image} has no command `{command}`"
        if re.search(r"exec: .*permission denied", error.what):
            return f"`{command}` of the image {image} may not be executed"
        return f"{error.what} ({error.hint})"

    # What it prints, and what it reads

    def _attached(self, stream: socket.socket, data: bytes) -> None:
        if self._output is None:
            self._output = stream
            self._room.watch(stream.fileno(), readable=self._read)
            self._print(data)
        else:
            self._input = stream
            self._room.watch(stream.fileno(), readable=self._ignore, writable=self._write)

    def _read(self) -> bool:
        """Take what it has printed; False: nothing now, or never again."""
        data = self._receive(self._output)
        if data:
            self._print(data)
        elif data is not None and self._output is not None:
            self._close(self._output)
            self._output = None
            if self._running and self._asking is None and self._exit is None:
                self._advance(next)
        return bool(data)

    def _print(self, data: bytes) -> None:
        for stream, piece in self._parts.take(data):
            self._room.output(stream, piece)

    def _write(self) -> None:
        if self._input is None:
            return
        try:
            self._prompt = self._prompt[self._input.send(self._prompt[:PIECE]) :]
            if not self._prompt:
                self._input.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # it wants no more of it
            self._prompt = self._prompt[:0]
        if not self._prompt:
            self._room.watch(self._input.fileno(), readable=self._ignore)

    def _ignore(self) -> None:
        """Engines may say what was printed on the input's connection too; unread, it would block them."""
        if self._receive(self._input) == b"" and self._input is not None:
            self._close(self._input)
            self._input = None

    def _receive(self, stream: socket.socket | None) -> bytes | None:
        """Read once; nothing at the end, None if nothing is there now."""
        try:
            return None if stream is None else stream.recv(PIECE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _close(self, stream: socket.socket) -> None:
        self._room.forget(stream.fileno())
        stream.close()

    # What the wrapper asks for

    def reaped(self, pid: int, status: int) -> None:
        """What runs in a container is no child of the wrapper."""

    def ended(self) -> Exit | None:
        if self._failure is not None:
            raise self._failure
        return self._exit

    def signal(self, number: int) -> None:
        if not self._running:
            self._wanted = number
        elif self._exit is None:
            self._sent.add(number)
            self._tell(questions.kill(self._name, number))

    def kill(self) -> None:
        self.signal(_KILL)

    def _tell(self, request: Request) -> None:
        """Ask for something that nothing waits for."""
        assert self._engine is not None
        try:
            told = Exchange(self._engine.path, request)
        except EngineError as error:
            self.trouble = error.what
            return
        self._told.add(told)
        self._room.watch(told.fileno(), readable=lambda: self._heard(told))

    def _heard(self, told: Exchange) -> None:
        try:
            answer = told.read()
            if answer is None:
                return
            judge(told.request, answer, GONE)
        except EngineError as error:
            if self._exit is None:  # else it has ended, whatever became of the signal
                self.trouble = error.what
        self._drop(told)
        self._told.discard(told)

    def type(self, data: bytes) -> bool:
        return not data

    def resize(self, columns: int, rows: int) -> None:
        """It has no terminal."""

    def drain(self) -> None:
        for _ in range(_LAST):
            if not self._read():
                break

    def clean_up(self) -> None:
        """Remove the container. Raises OSError where that fails."""
        for stream in filter(None, (self._output, self._input)):
            self._close(stream)
        self._output = self._input = None
        for told in self._told:
            self._drop(told)
        if self._asking is not None:
            self._settle(self._asking)
        try:
            if self._engine is not None and self._asked_for:
                self._engine.end(self._name, _HURRY)
            if self._ground is not None:
                sources.uncover(self._ground)
        except EngineError as error:
            raise OSError(f"{error.what} ({error.hint})") from error

    def _settle(self, asking: Exchange) -> None:
        """Let a container that is being made be made: it would appear after it was removed."""
        if "/create?" in asking.request.path:
            self._room.forget(asking.fileno())
            with suppress(EngineError):
                finish(asking, _HURRY)
        self._drop(asking)
