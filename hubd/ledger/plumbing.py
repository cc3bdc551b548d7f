"""How git is started, and what it is told of the world.

Guarantee: a git process of ours sees this mailbox's own git dir, the configuration kept there by the hub, and
nothing else: no variable of the caller, no system or user configuration, no hook, filter or replaced object.
Rule: every git process of hubd is started here, by GitPython.

Not promised: safety from a process of the same user that rewrites .git while git reads it. What would run
code is overridden for each process as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING

from hubd.ledger.gitdir import GitDir
from hubd.ledger.terms import LedgerError

if TYPE_CHECKING:
    import git

__all__ = ["Ground", "Process"]

_INSTALL = "install git 2.38 or newer"

# Said again to each process: these beat a file that was changed a moment ago.
_OVERRIDES = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.logAllRefUpdates": "false",
    "core.fsync": "all",
    "core.compression": "1",
    "core.multiPackIndex": "false",
    "core.alternateRefsCommand": "false",
    "fastimport.unpackLimit": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "pack.packSizeLimit": "0",
    "uploadpack.packObjectsHook": "",
}


@dataclass(frozen=True, slots=True)
class Process:
    """One running git with its three pipes. GitPython owns it and ends it when the owner is gone."""

    popen: Popen[bytes]
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    owner: git.Git.AutoInterrupt

    @property
    def pid(self) -> int:
        return self.popen.pid


class Ground(GitDir):
    """The git dir of one mailbox, and the only way to start git on it."""

    def __init__(self, root: Path, *, readonly: bool) -> None:
        super().__init__(root, readonly=readonly)
        self._git: git.Git | None = None

    def start(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        nice: bool = False,
    ) -> Process:
        """Start `git ARGS`; a refused ground or a missing git is a LedgerError. `nice`: others come first."""
        try:
            import git  # 0.1 s, and whoever only needs the types should not wait for it
        except ImportError as error:  # GitPython looks for git at once
            raise LedgerError("git cannot be started", _INSTALL) from error
        self.check()
        if self._git is None:
            self._git = git.Git(self.git_dir)
        # GitPython hands on the whole environment of this process; `env -i` is what keeps GIT_* out.
        words = ["env", "-i", *(f"{k}={v}" for k, v in {**self.environment(), **(env or {})}.items())]
        try:
            owner = self._git.execute(
                [*words, *(["nice"] if nice else []), git.Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *args],
                as_process=True,
                istream=PIPE,
                # Ctrl-C at a terminal is for the hub: it ends its git when it has finished.
                process_group=0,
                pass_fds=tuple(pass_fds),
            )
        except (git.GitCommandNotFound, OSError) as error:
            raise LedgerError(f"git cannot be started: {error}", _INSTALL) from error
        popen = owner.proc
        assert popen is not None
        assert popen.stdin is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        return Process(popen, popen.stdin, popen.stdout, popen.stderr, owner)

    def run(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> bytes:
        """What one git command prints. Never in the hot path: a process costs milliseconds."""
        status, out, err = self.answer(args, stdin=stdin, env=env)
        if status not in ok:
            text = err.decode("utf-8", "replace").strip() or f"status {status}"
            raise LedgerError(f"git {args[0]}: {text}", "`git fsck` in the mailbox may tell more")
        return out

    def answer(
        self, args: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Status, output and complaints of one git command."""
        process = self.start(args, env=env)
        out, err = process.popen.communicate(stdin)
        return process.popen.returncode, out, err

    def environment(self) -> dict[str, str]:
        """All that a git process of ours knows of the world. It runs inside .git and has no work tree."""
        known = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "GIT_DIR": str(self.git_dir),
            "GIT_OBJECT_DIRECTORY": str(self.git_dir / "objects"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PAGER": "cat",
            "GIT_EDITOR": "false",
            # glibc: a long-lived git packs each object with memory it gives back and asks for again at once.
            "MALLOC_TRIM_THRESHOLD_": "16777216",
            "MALLOC_TOP_PAD_": "1048576",
            "GIT_CONFIG_COUNT": str(len(_OVERRIDES)),
        }
        for number, (key, value) in enumerate(_OVERRIDES.items()):
            known[f"GIT_CONFIG_KEY_{number}"] = key
            known[f"GIT_CONFIG_VALUE_{number}"] = value
        return known
