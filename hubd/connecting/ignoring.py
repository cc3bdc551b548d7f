"""What git knows of a project's files: which are committed, which are ignored, and where to say so.

Guarantee: git is only asked. Rule: what is to be ignored is one block of `.git/info/exclude`, which is never
committed; files that were ignored before are not named in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubd.connecting.blocks import Block, inside
from hubd.connecting.spans import Unfit
from hubd.project.plumbing import Git, ProjectError
from hubd.project.repository import Repository

__all__ = ["EXCLUDE", "Around", "around"]

EXCLUDE = "info/exclude"
_LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}


@dataclass(frozen=True, slots=True)
class Around:
    """The git work tree that a project lies in."""

    common: Path
    """The repository's own folder, which all of its work trees share."""
    git: Git
    below: str
    """Where the project lies in the work tree: empty, or with a slash at its end."""

    def commits(self, path: str) -> bool:
        """Return whether a file of the project is committed, or about to be."""
        return self._says("ls-files", "--error-unmatch", "--", self.below + path)

    def block(self, client: str, paths: Sequence[str], there: bytes) -> Block:
        """Return what is to stand in the exclude file, so that nothing of a client's is committed."""
        named = inside(there, Block(client, (), "hash"))
        rows = [(f"/{_escaped(self.below + path)}", path) for path in paths]
        return Block(
            client, tuple(row for row, path in rows if row in named or not self._ignores(path)), "hash"
        )

    def _ignores(self, path: str) -> bool:
        return self._says("check-ignore", "-q", "--", self.below + path)

    def _says(self, *question: str) -> bool:
        return self.git.ask(*question, env=_LITERAL if question[0] == "ls-files" else {}).code == 0


def around(project: Path) -> Around | None:
    """Return the work tree around a project; None where there is none, or no git."""
    try:
        found = Repository(project)
    except ProjectError as error:
        if "not in a git" in error.what or "not installed" in error.what:
            return None
        raise Unfit(error.what, error.hint) from error
    if found.top is None:
        return None
    below = project.relative_to(found.top.resolve()).as_posix()
    return Around(found.common, Git(found.git_dir, found.top), "" if below == "." else f"{below}/")


def _escaped(path: str) -> str:
    """A path as a pattern that means it alone."""
    return "".join(f"\\{c}" if c in "\\*?[] !#" else c for c in path)
