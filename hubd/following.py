"""People's git in the mailbox: their branch and index follow the truth; what they commit is judged.

Guarantee: no commit of a person is fought or lost: it becomes the second parent of one of the hub's, whose
tree is the truth's. Rule 1: what they changed is judged file by file, like anything they could have saved.
Rule 2: while HEAD is on another branch or an old commit, or something is under way, what git wrote stays as
it is; once HEAD is on the branch again the files hold the truth again, and who moved the branch back is told.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

from hubd import checkout, notices
from hubd.commits import commit_of
from hubd.core.decide import Facts
from hubd.core.decide.cards import config
from hubd.core.effect import Proposal
from hubd.core.work import Work
from hubd.hub import Hub
from hubd.ledger import Foreign, blob_id
from hubd.looking import Look
from hubd.sight import Eyes
from hubd.spool import Bytes, FolderBlocked, NotAFile

BRANCH = "branch.main"


class Following:
    """Keeps refs/heads/main and the index behind refs/hub/main, while nothing else is to be done."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._told = ""
        self._seen = ""

    def rest(self, index: bool = True) -> None:
        """Bring people's git up to date, and tidy the ledger. `index`: also what starts processes of git."""
        ledger = self.hub.ledger
        foreign = ledger.follow()
        waits = ledger.away() or ledger.busy() or ""
        if foreign is not None and not waits:
            self._judge(foreign)
        if waits and waits != self._told:
            self.hub.log("info", f"{waits}: people's branch, index and files wait")
        self._told = waits
        if index:
            ledger.refresh_index()
        ledger.idle()

    def _judge(self, foreign: Foreign) -> None:
        if foreign.tip != self._seen:
            self.hub.log("info", f"somebody moved refs/heads/main: {foreign.kind}, to {foreign.tip[:12]}")
            known = self._judged_since(foreign)
            for path, data in self.hub.ledger.files_of_foreign(foreign):
                if (path, blob_id(data or b"")) not in known:
                    self._judge_file(path, data)
        base = checkout.base(self.hub)
        theirs = [p for p in Look(self.hub, Eyes()).live() if base and checkout.wrote(self.hub, base, p)]
        if foreign.tip != self._seen:
            if foreign.kind == "behind":
                notices.tell_moved_back(self.hub, foreign.tip, len(theirs))
            else:
                self._note(foreign)
        self._seen = foreign.tip
        if base:
            checkout.put_back(self.hub, base, theirs)
        self.hub.look(0)
        self.hub.ledger.adopt(foreign)

    def _judged_since(self, foreign: Foreign) -> set[tuple[str, str]]:
        """Return what was judged since their commit: most often the very files, as they lay on disk."""
        if foreign.kind == "behind":
            return set()
        commits = self.hub.ledger.messages(foreign.base)
        found = ((c.trailers.get("Hub-Source", ""), c.trailers.get("Hub-Cause", "")) for c in commits)
        return {(unquote(source, errors="surrogateescape"), cause) for source, cause in found}

    def _judge_file(self, path: str, data: bytes | None) -> None:
        """Judge what a commit says of a file, unless the disk says the same: then the look does it."""
        try:
            read = self.hub.spool.read(path)
        except FolderBlocked:
            return
        on_disk = read.data if isinstance(read, Bytes) else None
        if isinstance(read, NotAFile) or on_disk == data or data == self.hub.truth(path):
            return
        proposal = self.hub.proposal(path, None)
        if proposal is not None:
            self.hub.judge(replace(proposal, data=data))

    def _note(self, foreign: Foreign) -> None:
        """Record that a person's commit was seen: its tree is not taken over, and it is never lost."""
        now = self.hub.now()
        work = Work(
            self.hub.state, Facts(), now, Proposal("hub", "hub", "hub/adopt", foreign.tip.encode(), "hub")
        )
        config(work, "adopt", "hub", (), BRANCH)
        step = work.step()
        made = commit_of(step, self.hub.state, now)
        trailers = (*made.trailers, ("Hub-Foreign", foreign.tip))
        self.hub.record_made(step, replace(made, trailers=trailers, second_parent=foreign.tip))
