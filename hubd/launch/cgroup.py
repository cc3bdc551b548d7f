"""A control group for each run, where the system lets us make one: the net nothing slips through.

Guarantee: every process of a run that has a group is in it, whatever it does to its session, its parents or
its environment, and `Group.kill` ends them all at once, also those that are being forked.
Rule: it is an extra. Where none can be made (no cgroup v2, one before Linux 5.14, a group that belongs to
somebody else) the answer is None and nothing is said; sweeping goes on without.

Not promised: that a process as root stays where it was put.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Group", "groups"]

_PREFIX = "hubd-"
_LONGEST = 200
_PATIENCE = 0.5  # seconds until a group that was emptied can be removed


@dataclass(frozen=True, slots=True)
class Group:
    """One run's group. It is a folder, and removed when its run is over."""

    path: str

    @classmethod
    def make(cls, tag: str) -> Group | None:
        """Make one below the group this process is in; None where that cannot be."""
        name, home = _name(tag), _home()
        if name is None or home is None:
            return None
        group = cls(f"{home}/{name}")
        try:
            with suppress(FileExistsError):
                os.mkdir(group.path, 0o755)
            if os.access(f"{group.path}/cgroup.kill", os.W_OK):
                return group
            group.remove()
        except OSError:
            return None
        return None

    def door(self) -> int:
        """Open what a process writes `0` to in order to be in this group from then on."""
        return os.open(f"{self.path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def pids(self) -> tuple[int, ...]:
        """Return who is in it, and in the groups they made below it."""
        found: list[int] = []
        for folder, _, _ in os.walk(self.path):
            with suppress(OSError), open(f"{folder}/cgroup.procs", "rb") as listed:
                found += map(int, listed.read().split())
        return tuple(found)

    def kill(self) -> None:
        """Kill everything in it, and below it."""
        with suppress(OSError), open(f"{self.path}/cgroup.kill", "wb", buffering=0) as switch:
            switch.write(b"1")

    def remove(self) -> bool:
        """Remove it; a killed process may take a moment to leave. False: somebody is still in it."""
        deadline = time.monotonic() + _PATIENCE
        while os.path.isdir(self.path):
            for folder, _, _ in os.walk(self.path, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
            if time.monotonic() > deadline:
                return False
            if os.path.isdir(self.path):
                time.sleep(0.002)
        return True


def groups(tag: str) -> Iterator[Group]:
    """Find the groups of a run, or of all whose tag begins so if it ends in `:`, anywhere on this machine."""
    name, mount = _name(tag), _mount()
    if name is None or mount is None:
        return
    for folder, below, _ in os.walk(mount[1]):
        for each in below:
            if each == name or (tag.endswith(":") and each.startswith(name)):
                yield Group(f"{folder}/{each}")


def _name(tag: str) -> str | None:
    name = _PREFIX + re.sub(r"[^A-Za-z0-9:._-]", "_", tag)
    return name if len(name) <= _LONGEST else None


def _mount() -> tuple[str, str] | None:
    """Return (which group of the whole is its root, where it is mounted) for cgroup v2."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                before, _, after = line.partition(" - ")
                if after.startswith("cgroup2 "):
                    words = before.split()
                    return words[3], words[4]
    except OSError:
        return None
    return None


def _home() -> str | None:
    """Return the folder of the group this process is in."""
    mount = _mount()
    if mount is None:
        return None
    root, folder = mount
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        mine = next((line[3:].rstrip("\n") for line in lines if line.startswith("0::")), None)
    if mine is None or "/.." in mine:
        return None
    if root != "/":
        mine = mine.removeprefix(root)
    return (folder + mine).rstrip("/")
