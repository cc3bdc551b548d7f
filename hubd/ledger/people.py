"""What people see of the ledger: refs/heads/main, their HEAD and their index.

Guarantee: nothing a person committed, staged or checked out is undone here. Where they stand still - a
merge, a rebase, staged changes, another branch - so does this module.
Rule 1: their branch follows by compare-and-swap. Rule 2: their index is replaced as a whole, under git's
own lock, and only if it is the one that was looked at. Rule 3: no file of the work tree is written here.

What a person did is told as file changes; their tree is never the truth, since it may be older than it looks.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hubd.ledger import refs
from hubd.ledger.disk import from_disk, write_aside
from hubd.ledger.plumbing import Ground
from hubd.ledger.reader import Reader
from hubd.ledger.terms import Foreign, LedgerError

__all__ = ["People"]

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}
_AT_WORK = 30.0
"""Seconds after which an index.lock is a left-over: a git that was killed does not hold up the hub."""
# Something wrote the index out in full: entries below the folders that are to be one entry each.
_IN_FULL = re.compile(rb"(?:archive|\.hub)/[^\0]")

Stamp = tuple[int, int, int, int]


class People:
    """Keeps a person's git in this folder in step with the truth, as far as they let it."""

    def __init__(self, ground: Ground, reader: Reader, branch: str) -> None:
        self._ground = ground
        self._reader = reader
        self._git_dir = ground.git_dir
        self._branch = branch
        self._ref = f"refs/heads/{branch}"
        self._clean: Stamp | None = None
        """The index as it was when it held nothing of theirs."""
        self._base = ("", "")
        """Where HEAD was seen last, and what of the truth is in its history."""

    # -- where they are ------------------------------------------------------------------------------

    def away(self) -> str | None:
        """Where a person has taken HEAD, in words; None while it is on the branch that follows."""
        on = refs.symbolic(self._git_dir)
        if on is None:
            return "HEAD is on a commit of its own"
        return None if on == self._ref else f"HEAD is on {on.removeprefix('refs/heads/')}"

    def busy(self) -> str | None:
        """What a person has begun and not finished, in words; None if nothing."""
        for name, what in _UNDER_WAY.items():
            if os.path.lexists(self._git_dir / name):
                return f"{what} is under way"
        if os.path.lexists(self._git_dir / "index.lock"):
            return "git is at work, or was interrupted: .git/index.lock exists"
        if self.away() is None and self._staged():
            return "changes are staged"
        return None

    def at_work(self) -> bool:
        """Whether git is writing here just now, as far as its lock tells."""
        try:
            return time.time() - os.lstat(self._git_dir / "index.lock").st_mtime < _AT_WORK
        except FileNotFoundError:
            return False

    def elsewhere(self, tip: str) -> str:
        """The last commit of the truth in the history of HEAD, if HEAD is not where we left it; else empty.

        Their git has then written the files of that commit into the work tree, or their own on top of it.
        """
        on = refs.symbolic(self._git_dir)
        head = refs.read(self._git_dir, "HEAD" if on is None else on)
        if head in ("", tip, refs.read(self._git_dir, refs.FOLLOWED)):
            return ""
        if self._base[0] != head:
            status, out, _ = self._ground.answer(["merge-base", head, tip])
            self._base = (head, out.decode("ascii").strip() if status == 0 else "")
        return self._base[1]

    # -- their branch --------------------------------------------------------------------------------

    def follow(self, tip: str) -> Foreign | None:
        """Bring their branch to the tip; tell instead where a person has moved it."""
        head, last = refs.read(self._git_dir, self._ref), refs.read(self._git_dir, refs.FOLLOWED)
        if not tip:
            return None
        if head == tip:
            self._note(tip, last)
            return None
        if head not in ("", last):
            foreign = self._moved(head, last, tip)
            if foreign is not None:
                return foreign
        self._advance(head, tip, last)
        return None

    def adopt(self, foreign: Foreign, tip: str) -> bool:
        """Bring their branch on from where they moved it, now that the hub has judged what they did.

        False: they moved it again, or are busy; `follow` comes back to it. What is not behind must have
        become a parent of the truth first: until then nothing else holds it.
        """
        if foreign.kind != "behind" and not self._ancestor(foreign.tip, tip):
            raise LedgerError(
                f"{foreign.tip[:12]} is not yet part of the truth", "record a commit with it as second parent"
            )
        return self._advance(foreign.tip, tip, refs.read(self._git_dir, refs.FOLLOWED))

    def files(self, foreign: Foreign) -> list[tuple[str, bytes | None]]:
        """(path, bytes or None for gone) of what they changed since `base`, unless the truth says so too."""
        if foreign.kind == "behind":
            return []
        found: list[tuple[str, bytes | None]] = []
        rows = [row for row in self._reader.differences(foreign.base, foreign.tip) if row.path[:5] != ".hub/"]
        now = {row.path: row for row in self._reader.differences(foreign.tip, refs.TRUTH)}
        for row in rows:
            if row.path not in now:
                continue  # the truth holds the same
            if row.new is None:
                found.append((row.path, None))
            elif row.mode == "160000":
                found.append((row.path, b"Subproject commit %s\n" % row.new.encode("ascii")))
            else:
                answer = self._reader.object(row.new)
                if answer is None:
                    raise LedgerError(
                        f"{foreign.tip[:12]} lacks the bytes of {row.path}",
                        "`git fsck` in the mailbox lists more",
                    )
                found.append((row.path, answer[2]))
        return found

    def _moved(self, head: str, last: str, tip: str) -> Foreign | None:
        """What a branch that is not where it was left means. None: nothing but our own unfinished work."""
        if self._ancestor(head, tip):
            # Their commit became a parent of the truth, or we died between moving the branch and noting it.
            return Foreign(head, "behind", head) if last and self._ancestor(head, last) else None
        status, out, _ = self._ground.answer(["merge-base", head, tip])
        base = out.decode("ascii").strip() if status == 0 else ""
        kind: Literal["ahead", "diverged"] = "ahead" if base and base == last else "diverged"
        return Foreign(head, kind, base)

    def _advance(self, head: str, tip: str, last: str) -> bool:
        if self.busy() is not None:
            return False
        if not refs.swap(self._git_dir, self._ref, tip, head):
            return False
        self._note(tip, last)
        return True

    def _note(self, tip: str, last: str) -> None:
        if last != tip:
            refs.swap(self._git_dir, refs.FOLLOWED, tip)

    def _ancestor(self, old: str, new: str) -> bool:
        status, _, complaint = self._ground.answer(["merge-base", "--is-ancestor", old, new])
        if status not in (0, 1):
            text = complaint.decode("utf-8", "replace").strip()
            raise LedgerError(
                f"{self._ref} leads nowhere: {text}", f"`git branch -f {self._branch} refs/hub/main`"
            )
        return status == 0

    # -- their index ---------------------------------------------------------------------------------

    def refresh(self, tip: str) -> bool:
        """Bring their index to the tip, with the live folders alone checked out. False: not now."""
        if not tip or self.away() is not None or self.busy() is not None:
            return False
        if refs.read(self._git_dir, self._ref) != tip:
            return False
        index = self._git_dir / "index"
        before = _stamp(index)
        if before is not None and before == self._clean and self._indexed() == tip:
            return True
        aside = self._git_dir / "hub/tmp/index"
        try:
            self._build(index, aside, tip, whole=before is None)
            return self._install(index, aside, before, tip)
        except OSError as error:
            raise from_disk(error) from error
        finally:
            for left in (aside, Path(f"{aside}.lock")):
                with suppress(FileNotFoundError):
                    os.unlink(left)

    def clear(self) -> None:
        """Remove our own lock on the index if we were killed holding it: it is the file we had made aside."""
        aside, lock = self._git_dir / "hub/tmp/index", self._git_dir / "index.lock"
        with suppress(OSError):
            if os.path.samestat(os.lstat(aside), os.lstat(lock)):
                os.unlink(lock)
        for left in (aside, Path(f"{aside}.lock")):
            with suppress(FileNotFoundError):
                os.unlink(left)

    def _build(self, index: Path, aside: Path, tip: str, *, whole: bool) -> None:
        """Make the new index aside."""
        known = {"GIT_INDEX_FILE": str(aside)}
        on_files = {**known, "GIT_WORK_TREE": str(self._ground.root)}
        with suppress(FileNotFoundError):
            os.unlink(aside)
        if not whole:
            shutil.copyfile(index, aside)
            whole = _IN_FULL.search(aside.read_bytes()) is not None
        if whole:
            # Folders outside the live ones become one entry each. The command that does it also tidies the
            # work tree, so it is given an empty one.
            nothing = self._git_dir / "hub/nothing"
            nothing.mkdir(mode=0o700, exist_ok=True)
            on_nothing = {**known, "GIT_WORK_TREE": str(nothing)}
            with suppress(FileNotFoundError):
                os.unlink(aside)
            self._ground.run(["read-tree", tip], env=on_nothing)
            self._ground.run(["sparse-checkout", "reapply"], env=on_nothing)
        else:
            # One tree into an index: entries that stay keep what they know of their files, and a folder
            # that is one entry stays one.
            self._ground.run(["read-tree", "-m", "-i", tip], env=on_files)
        self._ground.run(["update-index", "-q", "--refresh"], env=on_files, ok=(0, 1))

    def _install(self, index: Path, aside: Path, before: Stamp | None, tip: str) -> bool:
        lock = self._git_dir / "index.lock"
        try:
            os.link(aside, lock)  # takes git's lock and fills it in one step
        except FileExistsError:
            return False
        moved = False
        try:
            if _stamp(index) != before or self.away() is not None:
                return False
            if refs.read(self._git_dir, self._ref) != tip:
                return False
            os.rename(lock, index)
            moved = True
        finally:
            # Once it is renamed, a lock of that name is somebody else's.
            if not moved:
                os.unlink(lock)
        self._left_at(_stamp(index), tip)
        return True

    def _staged(self) -> bool:
        """Whether their index holds more than a commit does: the one HEAD is on, or the one we left it at."""
        stamp = _stamp(self._git_dir / "index")
        if stamp is None or stamp == self._clean:
            return False
        head = refs.read(self._git_dir, self._ref)
        for commit in dict.fromkeys((head, self._indexed())):
            if not commit:
                continue
            status, _, _ = self._ground.answer(
                ["diff", "--cached", "--quiet", "--no-ext-diff", "--no-textconv", commit],
                env={"GIT_WORK_TREE": str(self._ground.root)},
            )
            if status == 0:
                self._left_at(stamp, commit)
                return False
        return True

    def _left_at(self, stamp: Stamp | None, commit: str) -> None:
        """Note that the index, as it is now, holds what this commit holds."""
        self._clean = stamp
        if self._indexed() != commit:
            write_aside(self._git_dir, self._git_dir / "hub/indexed", f"{commit}\n".encode("ascii"))

    def _indexed(self) -> str:
        try:
            return (self._git_dir / "hub/indexed").read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_ctime_ns
