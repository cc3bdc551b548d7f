"""The machine's processes as /proc shows them, and signals that reach the process that was meant.

Guarantee: `send` signals the very process that was looked at, never a later one of the same number.
Rule: what cannot be read is another's, or gone; it is left out, and nothing is raised.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hubd.launch.spec import TAG

__all__ = ["Process", "below", "children", "newest", "ours", "send", "send_group", "table", "tag_of"]

_MARK = TAG.encode()


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the table. `pid` and `began` together name a process for as long as the machine runs."""

    pid: int
    parent: int
    group: int
    began: int
    gone: bool
    """It has ended, and only its parent has not asked how."""
    stopped: bool

    @property
    def name(self) -> tuple[int, int]:
        return self.pid, self.began


def table() -> dict[int, Process]:
    """Read all processes. It is no instant: what is forked meanwhile may be missing."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := _look(int(entry))) is not None:
            found[process.pid] = process
    return found


def _look(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read()
    except OSError:
        return None
    # The name in parentheses is the process's own choice, and may hold anything.
    words = text[text.rfind(b")") + 2 :].split()
    if len(words) < 20:
        return None
    # A process whose first thread has ended is shown as a zombie while its other threads go on.
    gone = words[0] in b"ZXx" and int(words[17]) <= 1
    return Process(pid, int(words[1]), int(words[2]), int(words[19]), gone, words[0] in b"Tt")


def below(roots: Iterable[int], processes: Mapping[int, Process]) -> set[int]:
    """Return everything that descends from one of these; not the roots themselves."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    ahead = [child for root in roots for child in children.get(root, ())]
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead += children.get(pid, ())
    return found


def children() -> list[int]:
    """Return this process's own, quickly; also those that have ended and were not reaped."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb", buffering=0) as file:
            return [int(word) for word in file.readall().split()]
    except OSError:  # a kernel made without it
        return []


def newest(count: int) -> list[int]:
    """Return the numbers that were given to processes last, quickly; some of them may be gone, or threads."""
    try:
        with open("/proc/loadavg", "rb", buffering=0) as file:
            last = int(file.read().split()[-1])
    except (OSError, ValueError):
        return []
    return [pid for pid in range(last, last - count, -1) if pid > 1]


def ours(processes: Mapping[int, Process]) -> set[int]:
    """Return this process and all it descends from: never to be signalled, whatever they are marked as."""
    found: set[int] = set()
    pid = os.getpid()
    while pid and pid not in found:
        found.add(pid)
        pid = processes[pid].parent if pid in processes else 0
    return found


def tag_of(pid: int, mark: bytes = _MARK) -> str | None:
    """Return what marks this process as a run's, from the environment it was started with."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            text = file.readall()
    except OSError:
        return None
    for word in text.split(b"\0"):
        name, is_set, value = word.partition(b"=")
        if is_set and name == mark:
            return value.decode("utf-8", "surrogateescape")
    return None


def send(process: Process, number: int) -> bool:
    """Signal it. False: not allowed to. That it has ended by now is no failure."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    except OSError:  # an old kernel, a strict sandbox: as good as it gets
        return _kill(process.pid, number)
    try:
        now = _look(process.pid)
        if now is not None and now.began == process.began:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        os.close(handle)
    return True


def send_group(group: int, number: int) -> None:
    """Signal a whole group of processes at one instant, also those of it that are being forked."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _kill(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True
