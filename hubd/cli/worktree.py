"""A project's git around a mailbox: whether there is one, and how it is told to leave the mailbox alone.

Rule: no git is run, and one line of one file is added, only when a person said so.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["exclude", "work_tree"]


def work_tree(folder: Path) -> Path | None:
    """The top of the git work tree that a folder lies in, or will lie in.

    A `.git` without a HEAD is none: sandboxes of clients leave such empty folders behind.
    """
    for above in (folder, *folder.parents):
        git = above / ".git"
        if git.is_file() or (git / "HEAD").exists():
            return above
    return None


def exclude(top: Path, mailbox: Path) -> None:
    """Add the mailbox to what this work tree ignores, in a file that is not committed: .git/info/exclude."""
    line = f"/{_escaped(mailbox.relative_to(top).as_posix())}/"
    path = _git_dir(top) / "info" / "exclude"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
    if line in text.splitlines():
        return
    gap = "" if not text or text.endswith("\n") else "\n"
    with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{gap}{line}\n")


def _escaped(path: str) -> str:
    """A path as a pattern that means it alone."""
    return "".join(f"\\{c}" if c in "\\*?[] !#" else c for c in path)


def _git_dir(top: Path) -> Path:
    """The repository's own folder; of a linked work tree, the one that all of them share."""
    git = top / ".git"
    if git.is_dir():
        return git
    named = git.read_text().partition("gitdir:")[2].strip()
    own = (top / named).resolve()
    common = own / "commondir"
    return (own / common.read_text().strip()).resolve() if common.exists() else own
