"""Find every process of a run, and end it.

Guarantee: when `Tree.end` answers, nothing of the run is left that this user may end; it looks until then.
Rule 1: a process belongs to a run if it descends from the run's wrapper, if its environment was marked with
the run's tag when it was started, if it is in the run's control group, or if it descends from one of those.
Rule 2: first everything is stopped where it stands, so that nothing new is forked, and then it is killed.

How each way out is closed, while the wrapper lives and after it was killed (kill -9):

    what the process did                                wrapper lives       wrapper was killed
    a session of its own, closed all descriptors        descends            tag
    its parent has ended (double fork)                  adopted: descends   tag
    an empty environment                                descends            parent's tag, or control group
    all three: orphaned, and an empty environment       adopted: descends   control group; else IT ESCAPES
    not dumpable (ssh-agent): its tag cannot be read    adopted: descends   control group; else IT ESCAPES
    somebody else started it (at, docker, systemd-run)  not the run's, unless it has the tag
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from hubd.launch.cgroup import Group, groups
from hubd.launch.processes import (
    Process,
    below,
    children,
    newest,
    ours,
    send,
    send_group,
    table,
    tag_of,
)

__all__ = ["WRAPPER_TAG", "Tree", "sweep", "wrappers"]

WRAPPER_TAG = "HUB_WRAPPER_TAG"
"""Marks a wrapper, which is none of its run's processes."""

_ROUNDS = 40
_QUIET = 3
_PAUSE = 0.01
"""Between two looks that find nothing: a process in the midst of an exec shows no environment."""
_SIGHTS = 20
_NEWEST = 8


def sweep(tag: str, grace: float = 0.0, spare: Collection[str] = (), seconds: float = 30.0) -> int:
    """End what is left of a run, and return how many processes that were. Its wrapper must be gone.

    A tag that ends in `:` stands for all tags that begin so, but those in `spare`. With a `grace` they are
    asked to end first, and get that long. Takes some 50 ms where nothing is left, and never much longer than
    `grace` and `seconds` together.
    """
    tree = Tree(tag, spare=spare)
    if grace > 0 and tree.signal(signal.SIGTERM):
        deadline = time.monotonic() + grace
        while tree.alive() and time.monotonic() < deadline:
            time.sleep(_PAUSE)
    return tree.end(seconds)[0]


def wrappers(tag: str) -> dict[str, int]:
    """Return the living wrappers of these runs: tag -> process id. Their hub's death ends them by itself."""
    found = {}
    for process in table().values():
        if not process.gone and _matches(mark := tag_of(process.pid, WRAPPER_TAG.encode()), tag):
            found[mark or ""] = process.pid
    return found


class Tree:
    """All processes of a run, found anew at every look."""

    def __init__(
        self,
        tag: str,
        root: int | None = None,
        group: Group | None = None,
        spare: Collection[str] = (),
        reaped: Callable[[int, int], None] | None = None,
    ) -> None:
        """`root`: the process all of them descend from: this one, which adopts orphans and tells `reaped`."""
        self._tag = tag
        self._root = root
        self._spare = frozenset(spare)
        self._groups = [group] if group else [] if root else self._abandoned()
        self._reaped = reaped
        self._mine: set[int] = set()  # by the latest look, as is the next
        self._mixed: set[int] = set()
        self._untouchable: set[tuple[int, int]] = set()

    def _abandoned(self) -> list[Group]:
        spared = {found.path for tag in self._spare for found in groups(tag)}
        return [found for found in groups(self._tag) if found.path not in spared]

    def find(self) -> dict[int, Process]:
        """Return all processes of the run that may still do something."""
        processes = table()
        mine = self._mine = ours(processes)
        seeds = below([self._root], processes) if self._root else set()
        seeds.update(pid for group in self._groups for pid in group.pids())
        seeds.update(pid for pid in processes.keys() - seeds - mine if self._owns(pid))
        found = (seeds | below(seeds - mine, processes)) - mine
        # Groups with a member that is not the run's, by the same look: what is forked next is in neither.
        self._mixed = {process.group for pid, process in processes.items() if pid not in found}
        return {pid: processes[pid] for pid in found if pid in processes and not processes[pid].gone}

    def _owns(self, pid: int) -> bool:
        tag = tag_of(pid)
        return _matches(tag, self._tag) and tag not in self._spare

    def alive(self) -> bool:
        """Say whether anything is left that could be ended."""
        return any(process.name not in self._untouchable for process in self.find().values())

    def signal(self, number: int, known: Collection[tuple[int, int]] = ()) -> set[tuple[int, int]]:
        """Signal all but the `known`; what was stopped goes on, so that it hears. Returns whom, by name."""
        found = [process for process in self.find().values() if process.name not in known]
        for process in found:
            self._send(process, number)
        for process in found:
            if process.stopped:
                self._send(process, signal.SIGCONT)
        return {process.name for process in found}

    def end(self, seconds: float = 30.0, known: Iterable[int] = ()) -> tuple[int, int]:
        """Kill all of it; returns how many were ended, not counting the `known`, and how many are left.

        Left are only processes of another user, and those that the kernel does not let go within `seconds`.
        """
        deadline = time.monotonic() + seconds
        ended = set(self.find())
        quiet = 0
        while True:
            for group in self._groups:
                group.kill()
            found = self._freeze()
            self._strike(found, signal.SIGKILL)
            left = [process for process in found.values() if process.name not in self._untouchable]
            caught = self._chase()
            ended.update(found, caught)
            quiet = 0 if left or caught else quiet + 1
            # To be without children is proof for the one who adopts. A look at the table is none: look again.
            childless = self.reap()
            sure = childless if self._root and not self._untouchable else quiet >= _QUIET
            if (sure and not left) or time.monotonic() > deadline:
                break
            time.sleep(0.001 if left or caught else _PAUSE)
        for group in self._groups:
            group.remove()
        untouchable = {pid for pid, _ in self._untouchable}
        return len(ended - untouchable - set(known)), len(left) + len(untouchable)

    def _freeze(self) -> dict[int, Process]:
        """Stop everything, until a look finds nothing that is new."""
        stopped: set[tuple[int, int]] = set()
        found = self.find()
        for _ in range(_ROUNDS):
            fresh = {pid: process for pid, process in found.items() if process.name not in stopped}
            if not fresh:
                break
            self._strike(fresh, signal.SIGSTOP)
            stopped |= {process.name for process in fresh.values()}
            found = self.find()
        return found

    def _chase(self) -> set[int]:
        """Kill those that are never there for long, but start the next one and are gone: at first sight."""
        caught: set[int] = set()
        for _ in range(_SIGHTS):
            self.reap()
            if self._root:
                seen = children()  # orphans are ours, and their numbers nobody else's before we reap them
            else:
                seen = [pid for pid in newest(_NEWEST) if pid not in self._mine and self._owns(pid)]
            # By number, without another look: there is no time for one.
            for pid in seen:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            caught.update(seen)
            if self._root and not seen:
                break
        return caught

    def _strike(self, targets: dict[int, Process], number: int) -> None:
        """Signal all of these: groups that are wholly the run's at one instant, then each for itself."""
        for group in {process.group for process in targets.values()} - self._mixed - {0, 1, os.getpgrp()}:
            send_group(group, number)
        for process in targets.values():
            self._send(process, number)

    def _send(self, process: Process, number: int) -> None:
        if not send(process, number):
            self._untouchable.add(process.name)

    def reap(self) -> bool:
        """Ask how children have ended; True if none are left, and this process adopts."""
        if self._root is None:
            return False
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._reaped:
                    self._reaped(*ended)
        except ChildProcessError:
            return True
        return False


def _matches(tag: str | None, wanted: str) -> bool:
    return tag is not None and (tag == wanted or (wanted.endswith(":") and tag.startswith(wanted)))
