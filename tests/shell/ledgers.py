"""A mailbox with a real ledger, and the people and programs around it, for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hubd.ledger import Commit, Drop, Ledger, Put, blob_id

WHEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def change(seq: int, *changes: Put | Drop, second_parent: str | None = None, author: str = "ada") -> Commit:
    """A transition as the hub records it."""
    cause = f"---\nkind: request\nnumber: {seq}\n---\n".encode()
    return Commit(
        subject=f"t-{seq}: new -> draft",
        trailers=(
            ("Hub-Seq", str(seq)),
            ("Hub-Host", "host1"),
            ("Hub-Document", f"t-{seq}"),
            ("Hub-Cause", blob_id(cause)),
        ),
        author=author,
        email=f"{author}@host1",
        when=WHEN,
        changes=(Put(".hub/proposal", cause), *changes),
        second_parent=second_parent,
    )


class Box:
    """A mailbox whose hub commits and delivers."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.home = root.parent / f"{root.name}-home"
        self.home.mkdir(exist_ok=True)
        self.ledger = Ledger.create(root, host="host1")
        self.seq = 0

    def reopen(self) -> Ledger:
        """As a new hub after the last one ended."""
        self.ledger.close()
        self.ledger = Ledger.open(self.root)
        return self.ledger

    def next(self, *changes: Put | Drop, second_parent: str | None = None) -> Commit:
        self.seq += 1
        return change(self.seq, *changes, second_parent=second_parent)

    def record(self, *changes: Put | Drop, second_parent: str | None = None) -> str:
        """Record one transition."""
        return self.ledger.record([self.next(*changes, second_parent=second_parent)])[0]

    def group(self, count: int) -> list[str]:
        """Record that many transitions together, each with one document."""
        return self.ledger.record([self.next(self.document()) for _ in range(count)])

    def document(self) -> Put:
        number = self.seq + 1
        return Put(f"agents/a{number % 7}/inbox/t-{number}.md", f"document {number}\n".encode() * 20)

    def deliver(self, *changes: Put | Drop, second_parent: str | None = None) -> str:
        """Record one transition and bring its files into the folders, except those of the archive."""
        oid = self.record(*changes, second_parent=second_parent)
        for item in changes:
            path = self.root / item.path
            if isinstance(item, Drop):
                path.unlink(missing_ok=True)
            elif not item.path.startswith("archive/"):
                self.write(item.path, item.data)
        return oid

    def write(self, path: str, data: bytes) -> None:
        """Save a file as an editor would."""
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)

    def git(self, *args: str, ok: Sequence[int] = (0,), stdin: bytes | None = None) -> str:
        """What a person's ordinary git prints in the mailbox."""
        done = subprocess.run(
            ["git", *args], cwd=self.root, env=self.person(), input=stdin, capture_output=True
        )
        text = done.stdout.decode("utf-8", "surrogateescape")
        assert done.returncode in ok, f"git {args}: {done.returncode}\n{text}\n{done.stderr.decode()}"
        return text

    def person(self) -> dict[str, str]:
        """The environment of a person at a shell."""
        names = {
            f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _ANNA.items()
        }
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_EDITOR": "true", **names}

    def fsck(self) -> None:
        """Fail if anything in the ledger is broken."""
        done = subprocess.run(
            ["git", "fsck", "--full", "--strict"],
            cwd=self.root,
            env=self.person(),
            capture_output=True,
            text=True,
        )
        complaints = [line for line in done.stderr.splitlines() if not line.startswith("notice:")]
        assert done.returncode == 0, complaints
        assert not complaints, complaints

    def sequence(self) -> list[int | None]:
        """Hub-Seq of every commit, oldest first, as a git of its own finds them."""
        out = self.git(
            "log",
            "--first-parent",
            "--reverse",
            "--format=%(trailers:key=Hub-Seq,valueonly)",
            "refs/hub/main",
        )
        return [int(line) for line in out.split()]


_ANNA = {"NAME": "Anna", "EMAIL": "anna@example.org"}
