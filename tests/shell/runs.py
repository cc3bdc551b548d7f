"""Real runs: a wrapper with a real agent below it, and what a test wants to know of them.

Rule: nothing waits for luck. What is waited for is looked at again and again, until a deadline that fails.
Whether something is left of a run is seen by a mark in the command lines of its processes, which the code
under test knows nothing of.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from hubd.launch.cgroup import Group
from hubd.launch.control import Wrapped
from hubd.launch.spec import Spec

T = TypeVar("T")

DEADLINE = 20.0
PATH = {"PATH": os.environ["PATH"]}
_numbers = count()


def new_hub() -> str:
    """Return an id no other test of this machine has, for tags."""
    return f"test-{os.getpid()}-{time.monotonic_ns()}-{next(_numbers)}"


def until(look: Callable[[], T | None], what: str | Callable[[], str], seconds: float = DEADLINE) -> T:
    """Return what `look` gives as soon as it is something; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:g} s in vain: {said}")
        time.sleep(0.005)


def marked(mark: str) -> list[int]:
    """Return the processes with this word in their command line, zombies not counted."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if mark.encode() in words and status(int(name))["State"][0] not in "ZX":
                found.append(int(name))
    return found


def status(pid: int) -> dict[str, str]:
    """Return what /proc says of a process: `State`, `PPid`, `SigIgn`, `VmHWM`…"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def alive(pid: int) -> bool:
    try:
        return status(pid)["State"][0] not in "ZX"
    except OSError:
        return False


def kill_marked(mark: str) -> None:
    """End what a failed test has left."""
    deadline = time.monotonic() + 5
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def python(code: str, *words: str) -> tuple[str, ...]:
    """Make a command of some lines of Python."""
    return (sys.executable, "-I", "-S", "-c", code, *words)


class Run:
    """One run, from the hub's side."""

    def __init__(self, folder: Path, argv: Sequence[str], lease_fd: int | None = None, **spec: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {"cwd": str(folder), "env": PATH, "grace": 5.0, **spec}
        self.hub = new_hub()
        self.spec = Spec(run="run-1", tag=f"{self.hub}:run-1", argv=tuple(argv), folder=folder, **told)
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self.wrapped = Wrapped.start(self.spec, lease_fd)

    def listen(self) -> bool:
        """Take what the wrapper says, if it says something within a moment."""
        with selectors.DefaultSelector() as ready:
            ready.register(self.wrapped, selectors.EVENT_READ)
            if ready.select(0.05):
                self.events += self.wrapped.events()
        return True

    def hears(self, event: str, seconds: float = DEADLINE) -> dict[str, Any]:
        """Wait for an event of this name; the run's end ends the waiting."""

        def found() -> dict[str, Any] | None:
            self.listen()
            wanted = next((each for each in self.events if each["event"] == event), None)
            assert wanted or not any(each["event"] == "ended" for each in self.events), self.events
            return wanted

        return until(found, lambda: f"{event} in {self.events}", seconds)

    @property
    def pid(self) -> int:
        """The agent's main process."""
        pid: int = self.hears("started")["pid"]
        return pid

    def ends(self, seconds: float = DEADLINE) -> dict[str, Any]:
        return self.hears("ended", seconds)

    def log(self, name: str = "stdout") -> str:
        try:
            return (self.folder / f"{name}.log").read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def prints(self, text: str, name: str = "stdout") -> str:
        """Wait until the agent has printed this, or the terminal shows it."""

        def look() -> str:
            self.listen()
            found = self.log(name)
            return found if text in found else ""

        return until(look, lambda: f"{text!r} in {name}: {self.log(name)[-500:]!r} {self.events}")

    def close(self) -> None:
        self.wrapped.kill()
        self.wrapped.close()


@contextmanager
def running(folder: Path, argv: Sequence[str], lease_fd: int | None = None, **spec: Any) -> Iterator[Run]:
    """Run an agent; whatever is left at the end is ended."""
    run = Run(folder, argv, lease_fd, **spec)
    try:
        yield run
    finally:
        run.close()


def ran(folder: Path, argv: Sequence[str], **spec: Any) -> tuple[dict[str, Any], Run]:
    """Run an agent to its end, and return how it ended."""
    with running(folder, argv, **spec) as run:
        return run.ends(), run


def has_cgroups() -> bool:
    """Say whether this system lets us make control groups."""
    group = Group.make(f"{new_hub()}:probe")
    return group is not None and group.remove()


HOUSEHOLD = """
import os, signal, sys, time
MARK, how = sys.argv[1], sys.argv[2]
ready, tell = os.pipe()
sleeper = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", MARK]

def child(session=False, orphan=False, deaf=False, mute=False, bare=False, holds=False):
    if os.fork():
        return
    if session:
        os.setsid()
    if orphan and os.fork():
        os._exit(0)
    if deaf:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    os.write(tell, b"x")
    if mute:
        os.closerange(0, 1000)
    if bare:
        os.execve(sleeper[0], sleeper, {})
    while True:
        time.sleep(600)

def hopper():
    # Never the same process for long: each starts the next one and is gone.
    if os.fork() == 0:
        os.setsid()
        os.write(tell, b"x")
        while True:
            if os.fork():
                os._exit(0)
            time.sleep(0.002)

child()
child(session=True)
child(session=True, orphan=True)
child(deaf=True)
child(session=True, orphan=True, deaf=True)
child(session=True, orphan=True, mute=True)
hopper()
MOST = 7
if "-hidden" in how:
    child(bare=True)
    child(session=True, orphan=True, deaf=True, mute=True, bare=True)
    MOST += 2
seen = b""
while len(seen) < MOST:
    seen += os.read(ready, 100)
if how.startswith("deaf"):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
if how.startswith("leave"):
    sys.exit(0)
while True:
    time.sleep(600)
"""
"""An agent with every kind of child there is. `leave`: goes, and leaves them behind. `stay`. `deaf`: does not
hear. `-hidden`: two more, that nothing but a control group finds when the wrapper and the agent are gone."""
PEOPLE = 7
HIDDEN = 2


def household(mark: str, how: str) -> tuple[str, ...]:
    return python(HOUSEHOLD, mark, how)


def environ(pid: int) -> Mapping[str, str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(word.decode().split("=", 1) for word in words if word)
