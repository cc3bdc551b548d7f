"""A person's project with real git, the state it is in, and the traps that lie in it, for tests."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOOKS = (
    "applypatch-msg", "commit-msg", "post-applypatch", "post-checkout", "post-commit", "post-index-change",
    "post-merge", "post-rewrite", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit",
    "pre-push", "pre-rebase", "prepare-commit-msg", "reference-transaction", "fsmonitor-watchman",
)  # fmt: skip
HUB = "0123456789abcdef0123456789abcdef"
ID = "fix-login-7f3k.r1.a1"


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """Give git a home and a configuration of its own, and nothing of the machine's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ |= {
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Project:
    """A repository as a person uses it: by typing git in its checkout."""

    def __init__(self, folder: Path, name: str = "login app") -> None:
        self.folder = folder
        self.top = folder / name
        self.home = folder / "state" / "worktrees"
        self.marker = folder / "SPRUNG"
        self.top.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str, at: Path | None = None, ok: bool = True, stdin: bytes = b"") -> str:
        """Run git as the person does, but with no hook of theirs."""
        done = subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", *words],
            cwd=at or self.top,
            input=stdin,
            capture_output=True,
        )
        assert done.returncode == 0 or not ok, done.stderr.decode()
        return os.fsdecode(done.stdout).removesuffix("\n")

    def write(self, name: str, data: str | bytes = "text\n", at: Path | None = None) -> Path:
        path = (at or self.top) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def commit(self, *files: str, at: Path | None = None, message: str = "Work") -> str:
        """Write files, commit everything, and return the commit's id."""
        for name in files:
            self.write(name, f"{name} by {message}\n", at)
        self.git("add", "--all", at=at)
        self.git("commit", "--quiet", "--message", message, at=at)
        return self.git("rev-parse", "HEAD", at=at)

    def trap(self, name: str = "trap.sh") -> Path:
        """A program that leaves a marker when it runs, and lets through what it is given."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "$0 $@" >> "{self.marker}"\ncat\n')
        path.chmod(0o755)
        return path

    def plant_hooks(self, folder: Path | None = None) -> None:
        folder = folder or self.top / ".git" / "hooks"
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            (folder / name).write_bytes(self.trap().read_bytes())
            (folder / name).chmod(0o755)

    def branches(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()

    def fingerprint(self, *except_: str, at: Path | None = None) -> dict[str, str]:
        """Every file of the project but its objects: what it is, its bytes, and when it was last written."""
        skipped = (".git/objects", *except_)
        found: dict[str, str] = {}
        for top, folders, files in os.walk(at or self.top):
            for name in (*folders, *files):
                path = Path(top, name)
                inside = os.fsdecode(os.path.relpath(path, at or self.top))
                if any(inside == skip or inside.startswith(f"{skip}/") for skip in skipped):
                    continue
                found[inside] = _print(path)
        return found


def _print(path: Path) -> str:
    seen = os.lstat(path)
    if stat.S_ISLNK(seen.st_mode):
        return f"link {os.readlink(path)}"
    if stat.S_ISDIR(seen.st_mode):
        return f"folder {seen.st_mode:o}"
    data = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{seen.st_mode:o} {seen.st_mtime_ns} {seen.st_ino} {data}"
