"""The git dir of a mailbox: what the hub keeps in it, and what must not be there.

Guarantee: a git dir that leads elsewhere is refused, and what the hub wrote is there as the hub wrote it,
before any git process starts. Rule: the configuration is a text in this module. What differs from it on
disk was not written by us, and is set aside, never lost and never merged.
"""

from __future__ import annotations

import os
import shutil
import stat
from hashlib import sha256
from pathlib import Path

from hubd.ledger.disk import bytes_of, from_disk, mode_of, sync_folder, write_aside
from hubd.ledger.terms import LedgerError

__all__ = ["ATTRIBUTES", "CONFIG", "GitDir", "lay"]

CONFIG = """\
# Written by hubd and compared at every start: a change made here is set aside and undone.
[core]
	repositoryformatversion = 1
	bare = false
	filemode = false
	fsync = all
	autocrlf = false
	safecrlf = false
	quotePath = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	fsmonitor = false
	warnAmbiguousRefs = false
	multiPackIndex = false
	filesRefLockTimeout = 300
	packedRefsTimeout = 2000
	sparseCheckout = true
	sparseCheckoutCone = true
[extensions]
	preciousObjects = true
[index]
	sparse = true
[sparse]
	expectFilesOutsideOfPatterns = true
[fastimport]
	unpackLimit = 1
[gc]
	auto = 0
	packRefs = false
	writeCommitGraph = false
[maintenance]
	auto = false
[receive]
	autogc = false
	hideRefs = refs/hub
"""

# `!` and not `-` where git would refuse the value (working-tree-encoding) or call every file binary (diff).
ATTRIBUTES = "* !filter !diff -text -ident !working-tree-encoding !merge !export-subst\n"

EXCLUDE = """\
/NOW.md
/archive/
/agents/*/outbox/
/agents/*/drafts/
/agents/*/refused/
.*.sw?
.#*
\\#*#
*~
*.tmp
*.swp
*.bak
4913
.DS_Store
"""

SPARSE = "/*\n!/*/\n/agents/\n/cards/\n/contract/\n/leases/\n"

_OURS = {
    "config": CONFIG,
    "info/attributes": ATTRIBUTES,
    "info/exclude": EXCLUDE,
    "info/sparse-checkout": SPARSE,
}

_PARENTS = ("objects", "refs")
_SPARE = ("objects/info", "refs/heads", "refs/tags", "info")
_FOLDERS = ("objects/pack", "objects/info", "refs/heads", "refs/hub", "refs/tags", "info", "hub")
_PRIVATE = ("hub/tmp", "hub/swap", "hub/quarantine", "hub/log")

_STRANGE = {
    "commondir": "the ledger would be another repository's",
    "objects/info/alternates": "objects would be read from elsewhere",
    "objects/info/http-alternates": "objects would be read from elsewhere",
    "info/grafts": "history would look other than it is",
    "shallow": "history would end early",
}


class GitDir:
    """The .git of one mailbox, looked at and put right."""

    def __init__(self, root: Path, *, readonly: bool) -> None:
        self.root = root
        self.git_dir = root / ".git"
        self.readonly = readonly
        self.warnings: list[str] = []

    def check(self) -> None:
        """Refuse a git dir that leads elsewhere, put back what the hub wrote. Before every git process."""
        try:
            self._refuse_strange_ground()
            for name, text in _OURS.items():
                self._keep(name, text.encode())
        except OSError as error:
            raise LedgerError(f".git cannot be used: {error}", "look at its owner and rights") from error

    def _refuse_strange_ground(self) -> None:
        # The hub's own folders are closed to other users, and a reader may be one.
        private = () if self.readonly else ("hub/tmp", "hub/quarantine")
        for name in ("", *_FOLDERS, *_PARENTS, *private):
            path = self.git_dir / name if name else self.git_dir
            mode = mode_of(path)
            if mode is None and name in _SPARE:
                continue  # git removes what is empty, and makes it again
            if mode is None or not stat.S_ISDIR(mode):
                shown = f".git/{name}".rstrip("/")
                raise LedgerError(
                    f"{shown} is {'missing' if mode is None else 'not a plain folder'}",
                    "a mailbox keeps its ledger in its own .git; restore it from a backup",
                )
        for name, why in _STRANGE.items():
            if mode_of(self.git_dir / name) is not None:
                raise LedgerError(f".git/{name} exists: {why}", f"hubd never makes it; remove .git/{name}")
        for name in ("config", "HEAD"):
            mode = mode_of(self.git_dir / name)
            if mode is not None and not stat.S_ISREG(mode):
                raise LedgerError(f".git/{name} is not a plain file", f"remove .git/{name}, then start again")

    def _keep(self, name: str, wanted: bytes) -> None:
        path = self.git_dir / name
        found = bytes_of(path)
        if found == wanted:
            return
        if self.readonly:
            # Only a warning, and only where a reader's git could be led astray: reading changes nothing.
            self.warn(f".git/{name} is not as the hub wrote it; the hub puts it back when it starts")
            return
        if found is not None:
            kept = self.git_dir / "hub/quarantine" / f"{path.name}.{sha256(found).hexdigest()[:12]}"
            write_aside(self.git_dir, kept, found)
            self.warn(
                f".git/{name} was changed and is put back; what it held is {kept.relative_to(self.root)}"
            )
        else:
            self.warn(f".git/{name} was missing and is written again")
        path.parent.mkdir(exist_ok=True)
        write_aside(self.git_dir, path, wanted)

    def warn(self, text: str) -> None:
        """Tell the operator, once."""
        if text not in self.warnings:
            self.warnings.append(text)


def lay(root: Path, branch: str) -> None:
    """Make the git dir of a new mailbox, whole or not at all; no template of the machine has a say in it."""
    git_dir, made = root / ".git", root / ".git.new"
    if mode_of(git_dir) is not None:
        raise LedgerError(f"{git_dir} exists already", "choose a folder without a git repository")
    try:
        if made.exists():
            shutil.rmtree(made)  # an earlier try that was cut off
        for name in _FOLDERS:
            (made / name).mkdir(parents=True)
        for name in _PRIVATE:
            (made / name).mkdir(mode=0o700)
        (made / "hub").chmod(0o700)
        for name, text in _OURS.items():
            write_aside(made, made / name, text.encode())
        write_aside(made, made / "HEAD", f"ref: refs/heads/{branch}\n".encode())
        for name in (*_FOLDERS, *_PARENTS, ""):
            sync_folder(made / name)
        os.rename(made, git_dir)
        sync_folder(root)
    except OSError as error:
        raise from_disk(error) from error
