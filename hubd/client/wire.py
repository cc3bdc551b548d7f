"""A document's bytes, the outbox that they are saved in, and the daemon's socket.

Rule: nothing here needs more than the standard library and paths; it must be quick to import.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hubd.core.scalar import Value, dump_line
from hubd.layout import Layout

__all__ = ["Unreachable", "compose", "drop", "tap"]


class Unreachable(Exception):
    """No hub could be reached in time, or it could not work. `code` says which for programs."""

    def __init__(self, what: str, hint: str, code: str = "unreachable") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code


def compose(fields: Mapping[str, Value | None], body: str = "") -> bytes:
    """A new document: one line a field, in their order; None and empty ones are left out."""
    lines = [dump_line(key, value) for key, value in fields.items() if value]
    if body and not body.endswith("\n"):
        body += "\n"
    return ("\n".join(("---", *lines, "---", "")) + body).encode("utf-8", "surrogateescape")


def drop(layout: Layout, agent: str, data: bytes, stem: str) -> str:
    """Save a document in an outbox and return its name: written aside under a name that every hub ignores,
    then renamed to one that nobody has, because it is drawn.
    """
    name = f"{stem}-{os.urandom(4).hex()}.md"
    folder, aside = layout.outbox(agent), f".{name}.tmp"
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        names = ", ".join(_names(layout)) or "none yet"
        raise Unreachable(f"there is no agent `{agent}`", f"agents: {names}", "unknown-agent") from None
    except OSError as error:
        raise _unwritable(agent, error) from error
    try:
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=held)
        with open(file, "wb") as writing:
            writing.write(data)
        os.rename(aside, name, src_dir_fd=held, dst_dir_fd=held)
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=held)
        raise _unwritable(agent, error) from error
    finally:
        os.close(held)
    return name


def _names(layout: Layout) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(layout.agents) if entry.is_dir())
    except OSError:
        return []


def _unwritable(agent: str, error: OSError) -> Unreachable:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return Unreachable(
        f"cannot save into agents/{agent}/outbox: {reason}",
        "act as yourself (`--as NAME`), or get the right and the room to write there",
    )


def tap(layout: Layout, message: Mapping[str, Any], timeout: float) -> dict[str, Any] | None:
    """Say one thing to the daemon and return its answer; None where none listens or may be spoken to."""
    try:
        folder = os.open(layout.hub_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(timeout)
            # A socket's path holds 107 bytes; through the descriptor a mailbox may lie as deep as it likes.
            line.connect(f"/proc/self/fd/{folder}/{layout.socket.name}")
            line.sendall(json.dumps(message).encode() + b"\n")
            heard = _line(line)
    except TimeoutError:
        hint = "look at `.git/hub/log/hubd.log`, and try again"
        raise Unreachable(f"hubd did not answer within {timeout:g} s", hint) from None
    except OSError:
        return None
    finally:
        os.close(folder)
    if not heard.endswith(b"\n"):
        return None  # it ended in the middle of its answer
    try:
        answer = json.loads(heard)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable("hubd said something that is no answer", "are hubctl and hubd of one version?")
    return answer


def _line(line: socket.socket) -> bytes:
    heard = bytearray()
    while not heard.endswith(b"\n"):
        data = line.recv(1 << 16)
        if not data:
            break
        heard += data
    return bytes(heard)
