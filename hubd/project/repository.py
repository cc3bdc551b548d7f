"""One project of a person's, as git sees it: where it is, what its branches are, which commit a name means.

Guarantee: nothing here writes, and a name is only ever looked up, never evaluated: `main`, `origin/main`, a
tag, a commit id; not `main~2`, `@{-1}`, `:/text` or `--flag`.
Rule: what calls git, and what is trusted by calling it, is in `plumbing`.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.plumbing import Git, ProjectError, discover, failure

__all__ = ["Named", "ProjectError", "Repository", "is_ref"]

_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|\Z)|\A[./]|[./]\Z|\A@\Z|\A\Z")
_COMMIT = re.compile(r"[0-9a-f]{4,64}\Z")
_USUAL = ("main", "master", "trunk")
_PLAIN = re.compile(r"[^a-z0-9]+")


def is_ref(name: str) -> bool:
    """Return whether git would take this as (the end of) a reference's name."""
    return len(name) <= 200 and not _NOT_IN_REF.search(name)


@dataclass(frozen=True, slots=True)
class Named:
    """A name and the commit that it means now."""

    name: str
    """As people say it: `main`, `origin/main`, or a commit id."""
    ref: str
    """In full: `refs/heads/main`; empty for a commit id."""
    commit: str


class Repository:
    """A project, found from any folder inside it."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        """The folder that was named."""
        if not self.path.is_absolute():
            raise ProjectError(f"{shown(str(path))} is not an absolute path", "write it from / or ~ on")
        if not self.path.is_dir():
            raise ProjectError(f"there is no folder {shown(str(path))}", "make it, or correct `directory:`")
        self.git_dir = self._folder("--absolute-git-dir")
        """Of this work tree: where its HEAD and index are."""
        self.common = self._folder("--path-format=absolute", "--git-common-dir").resolve()
        """Of the whole repository: where branches and objects are. The same, but in a linked worktree."""
        inside = discover(self.path, "--is-inside-work-tree").out.strip() == b"true"
        self.top: Path | None = self._folder("--show-toplevel") if inside else None
        """The top of the person's checkout; None for a bare repository."""
        self.git = Git(self.common)

    def _folder(self, *question: str) -> Path:
        ran = discover(self.path, *question)
        if b"not a git repository" in ran.err:
            where = shown(str(self.path))
            hint = "run `git init` there and commit, or set no worktree"
            raise ProjectError(f"{where} is not in a git repository", hint)
        if ran.code:
            raise failure("rev-parse", ran)
        return Path(os.fsdecode(ran.out.removesuffix(b"\n")))

    @property
    def main_top(self) -> Path | None:
        """Return the top of the repository's main checkout, where it has one in the usual place."""
        return self.common.parent if self.common.name == ".git" else self.top

    @property
    def name(self) -> str:
        """Return a word for the project that is safe in a path."""
        hidden = self.common.name.startswith(".")
        name = self.common.parent.name if hidden else self.common.name.removesuffix(".git")
        return _PLAIN.sub("-", name.lower()).strip("-")[:40].strip("-") or "project"

    def key(self, hub: str) -> str:
        """Return a name for this project, in this place, of this hub, that no other has."""
        data = b"\0".join((os.fsencode(hub), os.fsencode(self.common)))
        return f"{self.name}-{hashlib.sha256(data).hexdigest()[:10]}"

    def named(self, name: str) -> Named | None:
        """Return what a name means: a branch, a tag, a branch of a remote, or a commit; in that order."""
        if name == "HEAD":
            return self._head()
        if is_ref(name):
            full = name.startswith("refs/")
            places = [name] if full else [f"refs/{kind}/{name}" for kind in ("heads", "tags", "remotes")]
            found = self._refs(places)
            for place in places:
                if place in found:
                    return Named(place.split("/", 2)[2] if full else name, place, found[place])
        if _COMMIT.match(name):
            commit = self.commit(name)
            return Named(commit, "", commit) if commit else None
        return None

    def branch(self, name: str) -> Named | None:
        """Return a branch of the project's own by its name."""
        ref = f"refs/heads/{name.removeprefix('refs/heads/')}"
        found = self._refs([ref]) if is_ref(ref) else {}
        return Named(ref.removeprefix("refs/heads/"), ref, found[ref]) if ref in found else None

    def commit(self, oid: str) -> str | None:
        """Return the full id of a commit that is there; None also where the short id could mean several."""
        if not _COMMIT.match(oid):
            return None
        # In a partial clone a missing id would be asked of the remote; an agent's word is no reason for that.
        lookup = ("rev-parse", "--verify", "--quiet", f"{oid}^{{commit}}")
        ran = self.git.ask(*lookup, env={"GIT_NO_LAZY_FETCH": "1"})
        return ran.out.decode("ascii").strip() if ran.code == 0 else None

    def default(self) -> Named:
        """Return the branch that work starts from when nobody names one.

        What the remote calls its default, here or there; else main, master or trunk; else what is
        checked out.
        """
        ran = self.git.ask("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
        remote = os.fsdecode(ran.out).strip().removeprefix("refs/remotes/") if ran.code == 0 else ""
        wished = self.git.ask("config", "--get", "init.defaultBranch").out.decode("utf-8", "replace").strip()
        for name in (remote.removeprefix("origin/"), remote, wished, *_USUAL):
            found = self.named(name) if name and is_ref(name) else None
            if found is not None and found.ref.startswith(("refs/heads/", "refs/remotes/")):
                return found
        head = self._head()
        if head is None:
            raise self._empty()
        return head

    def _head(self) -> Named | None:
        git = Git(self.git_dir)
        ran = git.ask("symbolic-ref", "--quiet", "HEAD")
        if ran.code == 0:
            return self.branch(os.fsdecode(ran.out).strip())
        ran = git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        oid = ran.out.decode("ascii").strip()
        return Named(oid, "", oid) if ran.code == 0 else None

    def _empty(self) -> ProjectError:
        if self.git.ask("for-each-ref", "--count=1", "refs/heads").out.strip():
            said = f"{shown(str(self.path))} has no default branch that could be guessed"
            return ProjectError(said, "name one: `worktree: {base: BRANCH}`")
        return ProjectError(f"{shown(str(self.path))} has no commit yet", "make a first commit in it")

    def _refs(self, refs: list[str]) -> dict[str, str]:
        """Return the commits of those of these references that exist and lead to one."""
        line = "--format=%(refname) %(objecttype) %(objectname)"
        found = {}
        for text in os.fsdecode(self.git.out("for-each-ref", line, *refs)).splitlines():
            ref, kind, oid = text.rsplit(" ", 2)
            if ref in refs:  # a pattern also matches what lies below it
                commit = oid if kind == "commit" else self.commit(oid)
                if commit:
                    found[ref] = commit
        return found
