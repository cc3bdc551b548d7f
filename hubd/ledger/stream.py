"""Commits as the bytes that fast-import reads.

Guarantee: no path, name or text can end its own line or field and be taken for a command: paths are quoted,
names lose the characters that delimit them, texts are counted.
Rule: pure. What no commit can hold is refused with ValueError before a byte is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hubd.ledger.terms import Commit, Drop, Put

__all__ = ["check_path", "group", "message"]

_PLAIN = re.compile(r"[A-Za-z0-9._+@=-][A-Za-z0-9._/+@=-]*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
# Everything that some file system takes for `.git`: other case, NTFS' short name, trailing dots and
# streams, and what HFS+ ignores (removed before the comparison).
_DOT_GIT = re.compile(r"(?i)(?:\.git|git~\d+)[ .]*(?::.*)?")
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def group(commits: Sequence[Commit], ref: str, tip: str, committer: tuple[str, str]) -> Iterator[bytes]:
    """The stream of one group on top of `tip`; commit number n (from 1) gets mark n."""
    by = _ident(*committer)
    for mark, commit in enumerate(commits, start=1):
        stamp = b" %d +0000\n" % max(0, int(commit.when.timestamp()))
        text = message(commit)
        head = [
            b"commit %s\nmark :%d\n" % (ref.encode(), mark),
            b"author ", _ident(commit.author, commit.email), stamp,
            b"committer ", by, stamp,
            b"data %d\n" % len(text), text, b"\n",
        ]  # fmt: skip
        # Only the first names its parent: what follows in one stream stands on what came before.
        if mark == 1 and tip:
            head.append(b"from %s\n" % tip.encode("ascii"))
        if commit.second_parent is not None:
            if not re.fullmatch("[0-9a-f]{40}", commit.second_parent):
                raise ValueError(f"not a commit id: {commit.second_parent!r}")
            head.append(b"merge %s\n" % commit.second_parent.encode("ascii"))
        yield b"".join(head)
        for change in commit.changes:
            match change:
                case Put(path, data):
                    yield b"M 100644 inline %s\ndata %d\n" % (_path(path), len(data))
                    yield data
                    yield b"\n"
                case Drop(path):
                    yield b"D %s\n" % _path(path)


def message(commit: Commit) -> bytes:
    """Subject, empty line, one line a trailer."""
    lines = [_line(commit.subject) or "(no subject)"]
    if commit.trailers:
        lines.append("")
        for key, value in commit.trailers:
            if not _KEY.fullmatch(key):
                raise ValueError(f"not a trailer's key: {key!r}")
            lines.append(f"{key}: {_line(value)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def check_path(path: str) -> None:
    """Raise ValueError for what git or a file system would take for anything but a file of the tree."""
    if "\0" in path:
        raise ValueError(f"not a path of the ledger: {path!r}")
    for part in path.split("/"):
        if part in ("", ".", "..") or _DOT_GIT.fullmatch(_HFS_IGNORED.sub("", part)):
            raise ValueError(f"not a path of the ledger: {path!r}")


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _path(path: str) -> bytes:
    check_path(path)
    if _PLAIN.fullmatch(path):
        return path.encode("ascii")
    raw = path.encode("utf-8", "surrogateescape")
    quoted = bytearray(b'"')
    for byte in raw:
        if byte in b'"\\':
            quoted += b"\\" + bytes((byte,))
        elif 0x20 <= byte < 0x7F:
            quoted.append(byte)
        else:
            quoted += b"\\%03o" % byte
    return bytes(quoted + b'"')


def _ident(name: str, email: str) -> bytes:
    return f"{_word(name) or 'unknown'} <{_word(email).replace(' ', '')}>".encode("utf-8", "replace")


def _word(text: str) -> str:
    """What git leaves of a name: no delimiters, no control characters, no crud at the ends."""
    return _CONTROL.sub(" ", text.replace("<", "").replace(">", "")).strip(" .,:;\"\\'")
