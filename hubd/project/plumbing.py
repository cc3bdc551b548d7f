"""Call git in somebody's project, so that nothing of the project runs and nobody is asked anything.

Guarantee: no hook runs, no editor, pager, credential or signing prompt appears, no background upkeep starts,
no index is refreshed in passing, and every call ends: in time, with bounded output, or in a ProjectError.
Rule 1: a repository is named outright (GIT_DIR, GIT_WORK_TREE), never found from a work tree in which an
agent has written: a `.git` file put there would choose the configuration. Only `discover` looks for one,
from the folder that a person named, and there git itself refuses repositories of other users.
Rule 2: a name from outside is never an argument that git could take for a flag or an expression.
Rule 3: nobody here asks git about the inside of a submodule or of a repository in the work tree: git would
run in it, by the configuration that lies in it.

What is trusted by this: the user's own configuration, global and of the project, because the content of
files depends on it. Its filters (LFS and others that `.gitattributes` names), end-of-line rules, merge
drivers, `core.sshCommand` and the remote of a partial clone are used, as they would be if the user typed the
command. A filter whose command looks for programs in the current folder runs what an agent has put there;
that holds for the user's own `git add` as well. (`python -m` does not: PYTHONSAFEPATH is set.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.running import Ran, run

__all__ = ["HELD", "HUBD", "Git", "ProjectError", "discover", "failure", "person", "version"]

HUBD = ("hubd", "hubd@localhost")
"""Who commits: the committer of every commit that is made here."""

SHORT, LONG = 30.0, 900.0
"""Seconds: for a question, and for what may read or write a whole work tree."""
_NO_INDEX = "hubd-reads-no-index"
_MOST = 64 << 20  # bytes of an answer

_CONFIG = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.pager=cat", "core.quotePath=false",
    "gc.auto=0", "maintenance.auto=false", "commit.gpgSign=false", "tag.gpgSign=false",
    "log.showSignature=false", "submodule.recurse=false", "i18n.commitEncoding=UTF-8",
    # These two would write to the project's configuration.
    "branch.autoSetupMerge=false", "worktree.useRelativePaths=false",
)  # fmt: skip
_SET = {
    "LC_ALL": "C", "TERM": "dumb", "PYTHONSAFEPATH": "1",
    "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never",
    "GIT_EDITOR": "false", "GIT_SEQUENCE_EDITOR": "false", "GIT_MERGE_AUTOEDIT": "no",
    "GIT_PAGER": "cat", "PAGER": "cat", "GIT_ADVICE": "0",
    "GIT_COMMITTER_NAME": HUBD[0], "GIT_COMMITTER_EMAIL": HUBD[1],
    "GIT_AUTHOR_NAME": HUBD[0], "GIT_AUTHOR_EMAIL": HUBD[1],
}  # fmt: skip
# Of git's own variables, those that say where git and its configuration are; none that leads to a repository.
_KEPT = frozenset({
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH", "GIT_SSH",
    "GIT_SSH_COMMAND", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
})  # fmt: skip


HELD: ContextVar[tuple[int, ...]] = ContextVar("held", default=())
"""Descriptors that every git inherits: a lock is then held until the last of them has ended, whoever died."""


class ProjectError(Exception):
    """What could not be done in a project, and what a person can do about it."""

    def __init__(self, what: str, hint: str, output: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.output = output
        """The last lines that a program of the project's printed, where one failed."""


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
    return {**mine, **_SET, **extra}


def _git(cwd: Path, arguments: tuple[str, ...], env: Mapping[str, str], stdin: bytes, limit: float) -> Ran:
    settings = [word for setting in _CONFIG for word in ("-c", setting)]
    argv = ["git", "--no-pager", *settings, *arguments]
    try:
        ran = run(
            argv, cwd=cwd, env=_environment(env), limit=limit, stdin=stdin, keep=_MOST, pass_fds=HELD.get()
        )
    except FileNotFoundError as error:
        if not cwd.is_dir():
            raise ProjectError(f"{shown(str(cwd))} is gone", "put it back, or correct the card") from error
        raise ProjectError("git is not installed", "install git 2.38 or newer") from error
    except OSError as error:
        raise ProjectError(f"git cannot be started: {error.strerror}", "see `hubctl doctor`") from error
    if ran.late:
        said = f"git {arguments[0]} took longer than {limit:.0f} s in {shown(str(cwd))}"
        raise ProjectError(said, "is the disk slow, or does a filter of the project wait for something?")
    if ran.missing:
        raise ProjectError(f"git {arguments[0]} said more than {_MOST >> 20} MiB", "the project is too large")
    return ran


@dataclass(frozen=True, slots=True)
class Git:
    """One repository, and perhaps one work tree of it, by name."""

    git_dir: Path
    tree: Path | None = None

    def ask(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limit: float = SHORT,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run git and return how it ended, whatever it said."""
        where = {"GIT_DIR": str(self.git_dir)}
        if self.tree is not None:
            where["GIT_WORK_TREE"] = str(self.tree)
        elif arguments[0] != "worktree":
            # Without a work tree the index is the person's: not needed, and git marks a split one as used.
            where["GIT_INDEX_FILE"] = str(self.git_dir / _NO_INDEX)
        return _git(self.tree or self.git_dir, arguments, {**where, **(env or {})}, stdin, limit)

    def out(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limit: float = SHORT,
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git and return what it said; a ProjectError where it failed."""
        ran = self.ask(*arguments, stdin=stdin, limit=limit, env=env)
        if ran.code:
            raise failure(arguments[0], ran)
        return ran.out

    def word(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Run git and return the one line it said."""
        return os.fsdecode(self.out(*arguments, stdin=stdin, env=env).removesuffix(b"\n"))

    def names(self, *arguments: str) -> list[str]:
        """Run git and return what it listed with `-z`."""
        return [os.fsdecode(name) for name in self.out(*arguments).split(b"\0") if name]

    def holds(self, ancestor: str, descendant: str) -> bool:
        """Return whether one commit has the other in its history. Both are commit ids."""
        return self.ask("merge-base", "--is-ancestor", ancestor, descendant).code == 0


def person(name: str, email: str, role: str = "AUTHOR") -> dict[str, str]:
    """Say who wrote a commit, in letters that git takes."""
    plain = (" ".join(re.sub(r"[\x00-\x1f\x7f<>]", " ", text).split()) for text in (name, email))
    said = [text.strip(" .,:;\\\"'")[:100] for text in plain]
    return {f"GIT_{role}_NAME": said[0] or HUBD[0], f"GIT_{role}_EMAIL": said[1] or HUBD[1]}


def failure(command: str, ran: Ran) -> ProjectError:
    """Turn git's complaint into ours: its last line that says what is wrong."""
    lines = [line.strip() for line in ran.err.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    said = shown(telling[0])[:300] if telling else f"it ended with {ran.code}"
    text = "\n".join(shown(line) for line in lines[-20:])
    if "dubious ownership" in text:
        return ProjectError(
            "git does not trust this project: it belongs to another user",
            "if you trust it: `git config --global --add safe.directory FOLDER`", text,
        )  # fmt: skip
    if ".lock'" in text and "File exists" in text:
        return ProjectError(
            f"git {command} met a lock: {said}", "wait for the other git, or remove its lock if it died", text
        )
    return ProjectError(f"git {command}: {said}", "run the same in the project to see more", text)


def discover(folder: Path, *arguments: str) -> Ran:
    """Ask `rev-parse` from a folder that a person named, where git must find the repository itself."""
    return _git(folder, ("rev-parse", *arguments), {}, b"", SHORT)


@cache
def version() -> tuple[int, ...]:
    """Return git's version, as (2, 39, 5)."""
    ran = _git(Path("/"), ("version",), {}, b"", SHORT)
    found = re.search(rb"\d+(\.\d+)+", ran.out)
    return tuple(int(part) for part in found.group().split(b".")) if found else ()
