"""What the wrapper asks of a runtime, and what a runtime may ask of the wrapper.

A runtime is a way to run one agent: a plain process, a process in a terminal, a container. The wrapper owns
the rest: time limits, stopping, sweeping, logs, the people who watch, the pipes to the hub.

    start() -> room.began(pid) -> running -> ended() is not None -> drain() -> drain() -> clean_up()
                                     |                                       |
                                     |                                       +-- here the wrapper sweeps
                                     +-- room.output("stdout", data), whenever there is some
                                     +-- signal(n), again with other numbers; when the grace is over, kill()

After that the wrapper says `ended` and exits.

How to write one:

- One thread and one selector, both the wrapper's. `start` watches descriptors with `room.watch`; their
  callbacks read what is there and return. Nothing else waits: a callback that blocks makes the run deaf to
  `stop`. `start` alone may take time, and no more than it must, for the wrapper hears nothing meanwhile. A
  runtime that is long in starting does it in steps: `start` watches something and returns, and a later
  callback says `room.began`.
- Output is handed over as bytes as they come, in pieces of any size: `room.output` never blocks, keeps the
  logs within their cap, and shows it to those who watch. A callback reads once (at most `PIECE` bytes), not
  until nothing is left, else an agent that prints without end leaves the wrapper no time for anything else.
- Children of the wrapper are reaped by the wrapper alone (`waitpid(-1)`), so a runtime must not use
  `subprocess`: it starts a child with `spawning.spawn` and is told of its end through `reaped`.
- Descriptors are close-on-exec, as Python makes them. Nothing of the spec may be written to disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from hubd.launch.cgroup import Group
from hubd.launch.spec import Spec

__all__ = ["PIECE", "CannotStart", "Exit", "Room", "Runtime", "Stream"]

PIECE = 65_536
"""How much a callback reads at once."""

Stream = Literal["stdout", "stderr", "terminal"]
"""Which log it goes to. A terminal has but one; its bytes are recorded as well."""


class CannotStart(Exception):
    """The agent does not run. The text is one clear sentence for people: what, and why; no full stop."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How the agent's main process ended; both None: nobody can say any more."""

    code: int | None = None
    signal: int | None = None


class Room(Protocol):
    """What the wrapper lends a runtime."""

    @property
    def spec(self) -> Spec: ...

    @property
    def group(self) -> Group | None:
        """The control group for processes of this machine, if there is one; for `spawning.spawn`."""
        ...

    def watch(
        self,
        fd: int,
        readable: Callable[[], object] | None = None,
        writable: Callable[[], object] | None = None,
    ) -> None:
        """Call back whenever this descriptor is ready. Another call for it replaces the first.

        Now and then nothing is there after all, so the descriptor must not block.
        """
        ...

    def forget(self, fd: int) -> None:
        """Watch it no more; do so before closing it. Harmless where it is not watched."""
        ...

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call back once, not earlier than that."""
        ...

    def output(self, stream: Stream, data: bytes) -> None:
        """The agent has printed this."""
        ...

    def began(self, pid: int | None) -> None:
        """The agent runs now, as this process, or as none of this machine's process table. Said once."""
        ...

    def signal_all(self, number: int) -> None:
        """Signal every process of this run in this machine's process table, whatever session it is in."""
        ...


class Runtime(Protocol):
    """One agent's way to run. Made by a `Maker`, started once, cleaned up always, also if `start` fails."""

    interactive: bool
    """Takes what people type (`type`), and has a size."""
    trouble: str
    """What else there is to say about its end; empty where there is nothing."""

    def start(self) -> None:
        """Run the agent, and say `room.began`, now or in a later callback. Raises CannotStart."""
        ...

    def reaped(self, pid: int, status: int) -> None:
        """A child of the wrapper ended, with this wait status: the agent, or anything it has left behind."""
        ...

    def ended(self) -> Exit | None:
        """How the agent ended, or None while it goes on. Asked after every callback; must cost nothing.

        Once it answers it keeps to that. A start in steps that has failed raises CannotStart here.
        """
        ...

    def signal(self, number: int) -> None:
        """Ask the agent to stop, by the signal its preset names. Harmless once it has ended."""
        ...

    def kill(self) -> None:
        """The grace is over. End it by force, without waiting; `ended` must answer soon afterwards.

        The wrapper kills all processes of the run in this machine's process table besides.
        """
        ...

    def type(self, data: bytes) -> bool:
        """Put this into the agent's terminal; False if it takes no more now. Only called if `interactive`."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Give the agent's terminal this size; has it that already, let it draw itself anew.

        Only called if `interactive`.
        """
        ...

    def drain(self) -> None:
        """The agent has ended: hand over what it printed and nobody has read yet, without waiting for more.

        Called before and after the sweep. Whoever still holds the other end of a pipe is not waited for.
        """
        ...

    def clean_up(self) -> None:
        """Leave nothing behind: close descriptors, remove containers. Called once, whatever happened.

        May take a few seconds where it must. What it raises is reported with the end of the run.
        """
        ...


Maker = Callable[[Room], Runtime]
"""`Process(room)`, `Terminal(room)`, `Container(room)`: makes a runtime; nothing has happened yet."""
