"""Bearer tokens: who may ask over HTTP, and as whom.

Guarantee: a token is shown once, when it is made; kept is its SHA-256, in a file that is its user's own
(0600) and is replaced as a whole. A token that was revoked is not known from the next request on.
Rule: one token an agent; a new one replaces the one before. Comparing takes as long for a wrong token as for
a right one.

Not promised: safety from who may read a program's environment, where tokens usually are.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubd.clock import SystemClock
from hubd.core.place import NAME
from hubd.core.time import format_wall
from hubd.layout import Layout

__all__ = ["Kept", "TokenError", "Tokens"]

PREFIX = "hub_"
LONGEST = 200
_FILE = "tokens.json"


class TokenError(Exception):
    """The file of tokens is not as it should be."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a token."""

    agent: str
    sha256: str
    created: str


class Tokens:
    """The tokens of one mailbox, read again whenever their file is another."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._path = layout.hub_dir / _FILE
        self._known: tuple[Kept, ...] = ()
        self._stamp: tuple[int, ...] = (-1,)

    def new(self, agent: str) -> str:
        """Make a token for an agent, and return it; the one it had before is no token any more."""
        token = PREFIX + secrets.token_urlsafe(32)
        with self._changing():
            others = [k for k in self.all() if k.agent != agent]
            self._write([*others, Kept(agent, _digest(token), format_wall(SystemClock().now().wall))])
        return token

    def revoke(self, agent: str) -> bool:
        """Forget an agent's token. False where it had none."""
        with self._changing():
            known = self.all()
            others = [k for k in known if k.agent != agent]
            if len(others) < len(known):
                self._write(others)
        return len(others) < len(known)

    def all(self) -> tuple[Kept, ...]:
        """Every token, by its agent's name. Raises TokenError."""
        stamp = self._looks()
        if stamp != self._stamp:
            self._known = self._read() if stamp else ()
            self._stamp = stamp
        return self._known

    def agent_of(self, token: str) -> str:
        """Whose token this is; an empty string where it is nobody's, or the agent has no card any more."""
        digest = _digest(token[:LONGEST])
        found = ""
        for kept in self.all():
            if hmac.compare_digest(kept.sha256, digest):
                found = kept.agent
        if len(token) > LONGEST or not found or not (self._layout.cards / f"{found}.md").is_file():
            return ""
        return found

    # the file

    def _looks(self) -> tuple[int, ...]:
        try:
            seen = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return ()
        return seen.st_ino, seen.st_mtime_ns, seen.st_size

    def _read(self) -> tuple[Kept, ...]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(fd, "rb") as file:
                if os.fstat(fd).st_mode & 0o077:
                    raise TokenError(f"others may read {self._path}", f"chmod 600 {self._path}")
                rows = json.loads(file.read())["tokens"]
            return tuple(sorted((_kept(row) for row in rows), key=lambda k: k.agent))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TokenError(
                f"{self._path} cannot be read: {error}", "remove it, and make new tokens"
            ) from error

    def _write(self, kept: list[Kept]) -> None:
        rows = [{"agent": k.agent, "sha256": k.sha256, "created": k.created} for k in kept]
        data = json.dumps({"schema": 1, "tokens": rows}, indent=1).encode() + b"\n"
        aside = Path(f"{self._path}.tmp")
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, self._path)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One at a time: the folder itself is what is locked, so there is no further file."""
        folder = os.open(self._layout.hub_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _kept(row: Mapping[str, str]) -> Kept:
    agent, sha256 = row["agent"], row["sha256"]
    if not NAME.match(agent) or len(bytes.fromhex(sha256)) != 32:
        raise ValueError("not a token")
    return Kept(agent, sha256, str(row["created"]))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
