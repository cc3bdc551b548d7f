"""Hold a lease while a command runs.

Guarantee: while the command runs, this process holds the kernel lock of the lease's number, so that the hub
sees when both are gone; the lease is renewed every third of its term; when it is lost, the command is told to
end.

Not promised: that the command ends when it is told to, or that a superseded command has written nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click

from hubd.cli.frame import Ended, Session
from hubd.client import Unreachable

__all__ = ["hold"]

_LOOK, _GRACE = 1.0, 10.0
CANNOT_RUN = 127


def hold(
    session: Session, command: Sequence[str], number: int, term: float, environment: Mapping[str, str],
    renew: Callable[[], None], mine: Callable[[], bool | None], after: Callable[[int], int],
) -> int:  # fmt: skip
    """Run a command under a lease; `after` is given its exit code, still under the lease, and says ours.

    `mine` says whether the lease is held (True), was ended by the holder's own step (None), or was lost.
    """
    from hubd.lease import LeaseError, Liveness

    held = None
    try:
        held = Liveness(session.layout.alive).hold(number)
    except LeaseError as error:
        click.echo(f"hubctl: the hub cannot see whether this lives: {error.what}", err=True)
    around = {
        **os.environ,
        **environment,
        "HUB_AGENT": session.actor,
        "HUB_MAILBOX": str(session.layout.root),
    }
    session.client.rest()
    running: subprocess.Popen[bytes] | None = None
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: running.terminate() if running else None)
    try:
        running = subprocess.Popen(list(command), env=around)
        watched = _Watched(session, running, term, renew, mine, lambda: held is None or held.still_held())
        return after(watched.code())
    except OSError as error:
        if running is not None:
            raise
        click.echo(f"hubctl: cannot run {command[0]}: {error.strerror}", err=True)
        return after(CANNOT_RUN)
    finally:
        signal.signal(signal.SIGTERM, before)
        session.client.rest()
        if held is not None:
            held.release()


@dataclass(slots=True)
class _Watched:
    """A running command, and the lease that it runs under."""

    session: Session
    running: subprocess.Popen[bytes]
    term: float
    renew: Callable[[], None]
    mine: Callable[[], bool | None]
    still_held: Callable[[], bool]

    def code(self) -> int:
        """Wait for the command's end, renewing meanwhile."""
        try:
            code = self._watch()
        except KeyboardInterrupt:
            # The terminal has sent it to the command too; wait for what that makes of it.
            return _await(self.running)
        return code if code >= 0 else 128 - code

    def _watch(self) -> int:
        every = max(self.term / 3, 1.0)
        due = time.monotonic()  # the first renewal says that the work has begun
        needed = self.term > 0
        while True:
            try:
                return self.running.wait(timeout=_LOOK if needed else None)
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() < due and self.still_held():
                continue
            state = self._renewed()
            due = time.monotonic() + every
            if state is None:
                needed = False
            elif not state:
                click.echo("hubctl: the lease was lost; the command is told to end", err=True)
                self.running.terminate()
                return _await(self.running) or 1

    def _renewed(self) -> bool | None:
        """Renew the lease if it is still ours; what cannot be asked or done now is tried again."""
        try:
            state = self.mine()
            if state:
                self.renew()
            self.session.client.rest()
        except (Unreachable, Ended) as error:
            click.echo(f"hubctl: could not renew the lease: {error}", err=True)
            return True
        return state


def _await(running: subprocess.Popen[bytes]) -> int:
    try:
        code = running.wait(timeout=_GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        running.kill()
        code = running.wait()
    return code if code >= 0 else 128 - code
