"""Start a child of the wrapper: fork, exec, and a clear sentence where that fails.

Guarantee: the child has the given environment, folder and three descriptors, a session of its own, every
signal at its default, and nothing else of the wrapper; the kernel kills it when the wrapper dies.
Rule 1: no shell. Rule 2: the wrapper has one thread, so that a fork may run Python until its exec.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from hubd.launch import kernel
from hubd.launch.cgroup import Group
from hubd.launch.wrapper.runtime import CannotStart

__all__ = ["spawn"]

_FAILED = 127


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: str,
    channels: tuple[int, int, int],
    *,
    terminal: bool = False,
    group: Group | None = None,
) -> int:
    """Run it; returns its process id once the program itself runs. Raises CannotStart.

    `channels`: what becomes its descriptors 0, 1 and 2. `terminal`: the first of them is the terminal that
    controls its session.
    """
    if not argv or any("\0" in word for word in (*argv, cwd, *env, *env.values())):
        raise CannotStart("there is no command, or it, its folder or its environment holds a zero byte")
    if bad := next((name for name in env if not name or "=" in name), None):
        raise CannotStart(f"{bad!r} cannot be the name of a variable")
    told, tell = os.pipe()
    door = group.door() if group else None
    parent = os.getpid()
    try:
        pid = os.fork()
        if pid == 0:
            _child(lambda: _become(argv, env, cwd, channels, terminal, door, parent), tell)
        os.close(tell)
        tell = -1
        with open(told, "rb", closefd=False) as pipe:
            failed = pipe.read()  # nothing: exec has closed it
    finally:
        os.close(told)
        for fd in (tell, door):
            if fd is not None and fd >= 0:
                os.close(fd)
    if failed:
        os.waitpid(pid, 0)
        step, _, code = failed.partition(b" ")
        raise CannotStart(_sentence(step.decode(), int(code), argv[0], cwd, env))
    return pid


def _child(become: Callable[[], None], tell: int) -> None:
    """Never returns: what follows a fork in the wrapper is the wrapper's alone."""
    try:
        become()
    except _Step as step:
        os.write(tell, f"{step.what} {step.code}".encode())
    except Exception as error:
        os.write(tell, f"child {getattr(error, 'errno', 0) or 0}".encode())
        raise
    finally:
        os._exit(_FAILED)


class _Step(Exception):
    def __init__(self, what: str, error: OSError) -> None:
        self.what = what
        self.code = error.errno or 0


def _become(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: str,
    channels: tuple[int, int, int],
    terminal: bool,
    door: int | None,
    parent: int,
) -> None:
    signal.set_wakeup_fd(-1)
    for each in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    kernel.die_with_parent(parent)
    os.setsid()
    if door is not None:
        with suppress(OSError):
            os.write(door, b"0")
    try:
        if terminal:
            fcntl.ioctl(channels[0], termios.TIOCSCTTY, 0)
        # First out of the way: one of them may be where another one goes.
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in channels]
        for number, fd in enumerate(moved):
            os.dup2(fd, number)
    except OSError as error:
        raise _Step("channels", error) from error
    try:
        os.chdir(cwd)
    except OSError as error:
        raise _Step("folder", error) from error
    try:
        os.execvpe(argv[0], list(argv), dict(env))
    except OSError as error:
        raise _Step("command", error) from error


def _sentence(step: str, code: int, command: str, cwd: str, env: Mapping[str, str]) -> str:
    why = os.strerror(code)
    if step == "folder":
        if code == errno.ENOENT:
            return f"the folder {cwd} does not exist"
        if code == errno.ENOTDIR:
            return f"{cwd} is not a folder"
        return f"the folder {cwd} cannot be used: {why}"
    if step != "command":
        return f"the system does not give what a process needs: {why}"
    if code in (errno.ENOENT, errno.ENOTDIR):
        if "/" not in command:
            return f"there is no command `{command}` in PATH ({env.get('PATH', os.defpath)})"
        if os.path.exists(os.path.join(cwd, command)):
            return f"what the first line of {command} names, or the loader it needs, does not exist"
        return f"there is no file {command}"
    if code == errno.EACCES:
        return f"`{command}` may not be executed: it is a folder, or it lacks the permission"
    if code == errno.ENOEXEC:
        return f"`{command}` is not a program: a script begins with a line such as #!/bin/sh"
    if code == errno.E2BIG:
        return f"the arguments and the environment of `{command}` are longer than this system allows"
    return f"`{command}` cannot be executed: {why}"
