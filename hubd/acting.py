"""Act on what was recorded: put the truth on disk, keep refused bytes, take accepted files away.

Guarantee: everything here can be done again, at any time, with the same end; nothing is done before its
commit.
Rule 1: nothing is decided here. What is found in the place of something delivered is set aside, and judged
when the whole group has been acted on: a newer truth is never covered by an older one.
Rule 2: where a link or a file lies in the place of a folder, what belongs there is owed, and nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hubd.core.effect import Drop, Nothing, Proposal, Put, Step
from hubd.core.secret import quarantined_as
from hubd.sight import Eyes
from hubd.spool import Bytes, Displaced, FolderBlocked, NotAFile, Spool

QUARANTINE_MOST = 256 * 1024 * 1024
"""Bytes of refused files that are quarantined on their own account; beyond that `refused/` alone has them."""

LIVE = ("agents/", "cards/", "leases/", "archive/", "contract/", "hub.yaml", "README.md")
"""What of the ledger's tree lies in the mailbox too."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A step that was decided, and what is needed to act on it."""

    step: Step
    before: Mapping[str, bytes]
    displaced: Displaced | None


class Acting:
    """The hands of a hub. `truth` says what a live path must hold now."""

    def __init__(self, spool: Spool, truth: Callable[[str], bytes | None], eyes: Eyes) -> None:
        self.spool = spool
        self._truth = truth
        self._eyes = eyes
        self._aside: list[Displaced] = []
        self.owed: dict[str, tuple[bytes, ...]] = {}
        """What could not be delivered, with what the hub put there before. Its absence means nothing."""

    def aside(self) -> list[Displaced]:
        """Return what was found in the place of something delivered, once."""
        found, self._aside = self._aside, []
        return found

    def perform(self, made: Decided) -> None:
        """Act on one recorded step."""
        step, proposal = made.step, made.step.proposal
        if step.refusal is not None:
            self.refuse(proposal, made.displaced)
        for change in step.changes:
            if change.path.startswith(LIVE):
                self._change(change, made.before.get(change.path), proposal)
        if step.refusal is None:
            if made.displaced is not None:
                self.spool.drop(made.displaced)
            if proposal.area == "outbox" and proposal.data is not None:
                self.consume(proposal.path, proposal.data)

    def _change(self, change: Put | Drop, before: bytes | None, proposal: Proposal) -> None:
        known = [before] if before is not None else []
        if change.path == proposal.path and proposal.data is not None:
            known.append(proposal.data)
        self.put(change.path, change.data if isinstance(change, Put) else None, *known)

    def put(self, path: str, data: bytes | None, *known: bytes) -> None:
        """Make a path hold `data` (or nothing); what is there and not `known` is set aside to be judged."""
        self._eyes.same.pop(path, None)
        try:
            outcome = (
                self.spool.take_away(path, known) if data is None else self.spool.deliver(path, data, known)
            )
        except FolderBlocked:
            self.owed[path] = known
            return
        self.owed.pop(path, None)
        if isinstance(outcome, Displaced):
            self._aside.append(outcome)

    def pay(self) -> None:
        """Try again to deliver what is owed."""
        for path, known in list(self.owed.items()):
            self.put(path, self._truth(path), *known)

    def consume(self, path: str, data: bytes) -> None:
        """Take an accepted file out of its outbox; one that was saved over meanwhile stays."""
        try:
            outcome = self.spool.consume(path, data)
        except FolderBlocked:
            return  # the outbox was put aside since: if it comes back, what lies in it was sent already
        if isinstance(outcome, Displaced):
            self.spool.put_back(outcome)

    def refuse(self, proposal: Proposal, displaced: Displaced | None = None) -> None:
        """Put refused bytes where their author sees them, and the truth back where they lay."""
        data = proposal.data
        if data is not None and quarantined_as(data):
            self._quarantine(data)
        truth = self._truth(proposal.path)
        try:
            self._keep(proposal, displaced, gone=truth is None)
        except FolderBlocked:
            # There is no folder to show them in. They are in the ledger or in the quarantine; now surely so.
            if data is not None:
                self.spool.quarantine(data)
                self.consume(proposal.path, data)
            elif proposal.unreadable:
                self.spool.quarantine_file(proposal.path)
        if displaced is None and truth is not None:
            self.put(proposal.path, truth, *([data] if data is not None else []))

    def _quarantine(self, data: bytes) -> None:
        """Keep a second copy where only the hub's user reads it, as far as the quota goes."""
        if sum(q.size for q in self.spool.quarantined()) + len(data) <= QUARANTINE_MOST:
            self.spool.quarantine(data)

    def keep(self, proposal: Proposal) -> None:
        """Show refused bytes to their author; the file that held them has gone its way."""
        data = proposal.data
        assert data is not None
        try:
            self.spool.keep(data, f"agents/{proposal.actor}/refused", proposal.name)
        except FolderBlocked:
            self.spool.quarantine(data)

    def _keep(self, proposal: Proposal, displaced: Displaced | None, gone: bool) -> None:
        folder, name, data = f"agents/{proposal.actor}/refused", proposal.name, proposal.data
        if displaced is not None:
            self.spool.refuse_displaced(displaced, folder, name)
        elif gone or proposal.unreadable:
            if data is not None or proposal.unreadable:
                self.spool.refuse(proposal.path, folder, name, data)
        elif data is not None:
            self.spool.keep(data, folder, name)

    def leave(self, proposal: Proposal, decision: Nothing, displaced: Displaced | None = None) -> None:
        """Act on a proposal that changes nothing: take a repeated file, restore the truth, or leave it be."""
        if proposal.area == "hub":
            return
        truth = self._truth(proposal.path)
        if proposal.area == "outbox" and proposal.data is not None:
            self.consume(proposal.path, proposal.data)
        elif decision.put_back:
            if displaced is None:
                self.put(proposal.path, truth, *([proposal.data] if proposal.data is not None else []))
        elif proposal.path in self._eyes.judged:
            self._eyes.same[proposal.path] = self._eyes.judged.pop(proposal.path)
        if displaced is None:
            return
        if decision.put_back or proposal.area == "outbox" or proposal.data == truth:
            self.spool.drop(displaced)
        else:  # somebody was still writing in what the hub replaced: their bytes stay where they see them
            self.spool.refuse_displaced(displaced, f"agents/{proposal.actor}/drafts", proposal.name)

    def leftovers(self) -> list[Displaced]:
        """Return what waits in swap to be judged. What equals the truth is dropped, an outbox gets its own.
        """
        found: list[Displaced] = []
        for displaced in self.spool.leftovers():
            if displaced.path is None or not isinstance(displaced.read, Bytes | NotAFile):
                continue  # its writer is not done, or its name no longer tells where it lay
            if displaced.data is not None and displaced.data == self._truth(displaced.path):
                self.spool.drop(displaced)
            elif "/outbox/" not in displaced.path or not self._given_back(displaced):
                found.append(displaced)
        return found

    def _given_back(self, displaced: Displaced) -> bool:
        try:
            return self.spool.put_back(displaced)
        except FolderBlocked:
            return False


__all__ = ["LIVE", "Acting", "Decided"]
