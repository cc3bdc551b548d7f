"""Histories of the core as ledgers: a `Table` whose steps become commits, written by git's own fast-import.

A test changes the commits before they are written; what a forger would have to do, it does here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hubd.commits import commit_of
from hubd.core import place
from hubd.core.decide import Facts
from hubd.core.decide.cards import config, install
from hubd.core.document import Document, Value, dump_line, parse
from hubd.core.effect import Proposal, Step
from hubd.core.effect import Put as CorePut
from hubd.core.settings import Settings
from hubd.core.state import State
from hubd.core.work import Work
from hubd.founding import contract_files, settings_file
from hubd.ledger import Commit, Drop, Put, blob_id
from hubd.ledger.stream import group
from tests.core.play import AGENTS, PERSONS, Table, accepted

HUB = ("hubd", "hubd@local")
GIT = {
    "PATH": os.environ.get("PATH", os.defpath), "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}  # fmt: skip


class Recorded(Table):
    """A mailbox in memory that remembers the commits of its steps, from the first one on."""

    def __init__(self, **settings: str | tuple[str, ...]) -> None:
        self.commits: list[Commit] = []
        super().__init__(None, **settings)
        self._founded(settings)

    def _founded(self, settings: dict[str, str | tuple[str, ...]]) -> None:
        """Record how the mailbox came to be: settings and the operator's card, then the others' cards."""
        lines = settings_file("operator", "local").decode().splitlines()
        lines = [line for line in lines if line.partition(":")[0] not in settings]
        given: dict[str, Value] = dict(settings)
        lines += [dump_line(key, value) for key, value in given.items()]
        text = "".join(f"{line}\n" for line in lines)
        files = {
            place.SETTINGS: text.encode(), "README.md": b"# A mailbox\n", **contract_files(),
            ".hub/id": f"hub: {'0' * 32}\nhost: local\n".encode(),
        }  # fmt: skip
        state = State("hub0", "local", Settings(given))
        names = [name for name in (*PERSONS, *AGENTS) if name != "operator"]
        proposals = [Proposal("operator", "cards", place.card(n), self.tree[place.card(n)]) for n in names]
        for proposal in (Proposal("hub", "hub", "hub/init", b"", "hub"), *proposals):
            work = Work(state, Facts(), self.now, proposal)
            if proposal.path == "hub/init":
                config(work, "init", "hub", tuple(CorePut(path, data) for path, data in files.items()), "hub")
                install(work, "operator", self._card("operator"), None, "hub", follows=True)
            else:
                name = place.stem(proposal.name)
                install(work, name, self._card(name), None, "operator")
            step = work.step()
            self.commits.append(commit_of(step, state, self.now))
            state.apply(step.seq, step.documents, step.changes)
        assert self.state.seq == state.seq == len(self.commits)

    def _card(self, name: str) -> Document:
        card = parse(self.tree[place.card(name)])
        assert isinstance(card, Document)
        return card

    def _apply(self, step: Step) -> None:
        self.commits.append(commit_of(step, self.state, self.now))
        super()._apply(step)

    def write(self, root: Path, commits: Sequence[Commit] | None = None) -> Path:
        """Make a repository of these commits, or of all; its branch is refs/hub/main."""
        return write(root, self.commits if commits is None else commits)


Stream = Callable[[int, bytes], bytes]
"""Changes what git is told of one commit, by its number from 1: for what the ledger's writer would refuse."""


def as_it_is(_number: int, told: bytes) -> bytes:
    return told


def write(root: Path, commits: Sequence[Commit], stream: Stream = as_it_is) -> Path:
    """Write commits as refs/hub/main of a new repository, or on top of one that is there."""
    tip = git(root, "rev-parse", "refs/hub/main") if root.exists() else ""
    git(root.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(root))
    told = []
    for number, commit in enumerate(commits, 1):
        told.append(stream(number, b"".join(group([commit], "refs/hub/main", tip, HUB))))
        tip = ""
    # Every object in a file of its own, so that a test can lose or spoil one.
    command = ["git", "-c", "fastimport.unpackLimit=1000000", "fast-import", "--quiet"]
    subprocess.run(command, cwd=root, env=GIT, input=b"".join(told), check=True)
    return root


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, env=GIT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def two_rounds() -> Recorded:
    """A task whose first round needs changes and whose second is approved, and much else on the way."""
    table = Recorded(approvers=("operator", "anna"))
    task = table.task()
    one = table.plan(task)
    accepted(table.approve(one))
    lease = table.claim(f"{one}.a1")
    accepted(table.request("backend", "progress", f"{one}.a1", f"lease: {lease}", "note: half of it"))
    accepted(table.request("backend", "progress", f"{one}.a1", f"lease: {lease}"))
    asked = accepted(table.ask("backend", f"assignment: {one}.a1", f"lease: {lease}", "choices: [one, two]"))
    accepted(table.edit(asked, ("- [ ] two", "- [x] two")))
    table.drop("backend", "---\nkind: handoff\nsummry: It works\n---\n", "oops.md")
    accepted(table.remove(table.inbox("backend")[0]))
    accepted(table.hand_off(f"{one}.a1", lease))
    table.do(f"{one}.a2")
    accepted(table.review(one, "changes_requested", "Not yet."))
    told = accepted(table.send("operator", "[backend, tester]", f"task: {task}", body="Mind the tests."))
    accepted(table.edit(told, ("state: unread", "state: read")))
    accepted(table.request("tester", "lease", "branch:main", "ttl: 10m"))
    table.later(601)
    accepted(table.card("tester", "capabilities: [review, python]"))
    card = accepted(table.drop("tester", "---\nkind: agent\nreplicas: 2\n---\nMore of me.\n"))
    accepted(table.approve(card))
    two = table.plan(task, "backend: Fix it again")
    amended = (("Fix it again", "Fix it, with a test"), ("- [ ] approve", "- [x] approve"))
    accepted(table.edit(two, *amended, actor="anna"))
    table.do(f"{two}.a1")
    lines = ("host: local", "operator: operator", "approvers: [operator, anna]", "approvals: 2")
    accepted(table.settings(*lines))
    accepted(table.review(two))
    return table


# what a forger does


def trailer(commit: Commit, key: str) -> str:
    return dict(commit.trailers).get(key, "")


def with_trailer(commit: Commit, key: str, value: str | None) -> Commit:
    """Return the commit with one trailer changed, added at the end, or left out."""
    known = [(k, value if k == key else v) for k, v in commit.trailers]
    if key not in dict(commit.trailers):
        known.append((key, value))
    return replace(commit, trailers=tuple((k, v) for k, v in known if v is not None))


def with_cause(commit: Commit, data: bytes) -> Commit:
    """Return the commit as if it had been decided on other bytes."""
    changes = tuple(Put(c.path, data) if c.path == place.PROPOSAL else c for c in commit.changes)
    return with_trailer(replace(commit, changes=changes), "Hub-Cause", blob_id(data))


def rewritten(commit: Commit, path: str, change: Callable[[bytes], bytes]) -> Commit:
    """Return the commit with the bytes changed that it puts at paths which end so."""
    found = [c for c in commit.changes if isinstance(c, Put) and c.path.endswith(path)]
    assert found, f"{path} is not among {[c.path for c in commit.changes]}"
    changes = []
    for c in commit.changes:
        if isinstance(c, Put) and c.path.endswith(path):
            data = change(c.data)
            assert data != c.data, f"nothing changed in\n{c.data.decode()}"
            c = Put(c.path, data)
        changes.append(c)
    return replace(commit, changes=tuple(changes))


def and_also(commit: Commit, *changes: Put | Drop) -> Commit:
    """Return the commit with further changes."""
    return replace(commit, changes=(*commit.changes, *changes))


__all__ = [
    "Recorded", "Stream", "and_also", "git", "rewritten", "trailer", "two_rounds", "with_cause",
    "with_trailer", "write",
]  # fmt: skip
