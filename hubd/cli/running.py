"""Make a mailbox, start its daemon, and stop it.

Guarantee: what is started is this hubd, whatever folders of that name lie in the mailbox.
Rule: only a process is signalled that the record beside this mailbox's lock names as its daemon, and that was
started when that record says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hubd.cli.frame import MISUSED, NOT_REACHED, Ended
from hubd.client import Client, Unreachable, tap
from hubd.layout import Layout

__all__ = ["found", "start", "stop"]

_POLL = 0.02


def found(root: Path, agents: Sequence[str], operator: str, host: str) -> None:
    """Make a mailbox, with its folders and its first page."""
    from hubd import founding, query

    try:
        hub = founding.found(root, agents, operator, host)
    except founding.FoundingError as error:
        raise Ended(error.what, error.hint, "cannot-make", MISUSED) from error
    except OSError as error:
        raise Ended(
            f"cannot make {root}: {error.strerror}", "name a folder that you may write to", "cannot-make"
        ) from error
    client = Client(Layout(root))
    with hub:
        query.write_now(hub)
    client.rest()


def start(layout: Layout, wait: float) -> int:
    """Start hubd in the background and return its process when it is ready."""
    layout.folders()
    log = layout.logs / "hubd.log"
    with open(log, "ab") as out:
        began = out.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hubd.daemon", "-C", str(layout.root)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=layout.root,
        )  # fmt: skip
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        told = tap(layout, {"do": "ping"}, max(deadline - time.monotonic(), 0.1))
        if told is not None and told.get("ready"):
            _let_go(process)
            return int(told["pid"])
        # Another hubd may have been quicker to the lock: then that one is waited for.
        if process.poll() not in (None, NOT_REACHED):
            said = log.read_bytes()[began:].decode("utf-8", "replace").strip().splitlines()
            why = next(
                (row for row in said if row.startswith("hubd: ")), said[-1] if said else "it said nothing"
            )
            raise Unreachable(f"hubd ended at once: {why.removeprefix('hubd: ')}", f"its log is {log}")
        time.sleep(_POLL)
    raise Unreachable(f"hubd, process {process.pid}, was not ready within {wait:g} s", f"its log is {log}")


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """It lives on without us: Python need not warn that nobody waits for it."""
    process.returncode = 0


def stop(client: Client, wait: float) -> int | None:
    """Stop the daemon and wait for its end; None where none runs."""
    pid = _daemon(client)
    if pid is None:
        return None
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return pid
    except PermissionError:
        raise Unreachable(f"hubd, process {pid}, is another user's", "ask whoever started it") from None
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        if _daemon(client) != pid:
            return pid
        time.sleep(_POLL)
    raise Unreachable(
        f"hubd, process {pid}, has not ended within {wait:g} s", f"look at {client.layout.logs / 'hubd.log'}"
    )


def _daemon(client: Client) -> int | None:
    """The process that is this mailbox's daemon, as its lock's record says; None where it has ended."""
    from hubd.lease import HubLock

    holder = HubLock(client.layout.lock).holder()
    return holder.pid if holder is not None and holder.mode == "daemon" else None
