"""Forgeries of the story `two_rounds`: what each does, and at which commit a checker must name it.

Each is as good as a forger can make it with one change: trailers, authors and causes agree where they can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hubd.ledger import Commit, Drop, Put
from tests.shell.histories import and_also, rewritten, with_cause, with_trailer

# Where in the story each step stands, by its Hub-Seq.
TASK, PLAN, APPROVE, CLAIM, PROGRESS, RENEW, ASK, ANSWER, REFUSE, ACK = range(8, 18)
HANDOFF, CLAIM2, HANDOFF2, REVIEW, SEND, READ, LEASE, EXPIRE, CARD, PROPOSE = range(18, 28)
INSTALL, PLAN2, AMEND, CLAIM3, HANDOFF3, SETTINGS, APPROVED = range(28, 35)
STEPS = [
    "task.submit", "round.submit", "round.approve", "assignment.claim", "assignment.progress", "lease.renew",
    "question.submit", "question.answer", "bounce.refuse", "bounce.ack", "handoff.submit", "assignment.claim",
    "handoff.submit", "round.review", "message.submit", "message.ack", "lease.lease", "lease.expire",
    "agent.amend", "agent.submit", "agent.approve", "round.submit", "round.approve", "assignment.claim",
    "handoff.submit", "config.amend", "round.review",
]  # fmt: skip

T = "fix-the-login-xwet"
REQUEST = f"---\nkind: request\ndo: approve\non: {T}.r1\n---\n".encode()
Commits = list[Commit]
Change = Callable[[Commit], Commit]


@dataclass(frozen=True, slots=True)
class Forgery:
    """`number`: the first commit that is not in order any more. `reason`: a word of what is said about it."""

    number: int
    reason: str
    made: Callable[[Commits], Commits]


def one(number: int, reason: str, *changes: Change) -> Forgery:
    """Change one commit."""

    def made(commits: Commits) -> Commits:
        commit = commits[number - 1]
        for change in changes:
            commit = change(commit)
        return [*commits[: number - 1], commit, *commits[number:]]

    return Forgery(number, reason, made)


def says(key: str, value: str | None) -> Change:
    return lambda commit: with_trailer(commit, key, value)


def subject(text: str) -> Change:
    return lambda commit: replace(commit, subject=text)


def writes(path: str, old: str, new: str) -> Change:
    """Other bytes at the paths that end so."""
    return lambda commit: rewritten(commit, path, lambda data: data.replace(old.encode(), new.encode(), 1))


def asks(old: str, new: str) -> Change:
    """The proposal said something else, and the ledger keeps that."""

    def change(commit: Commit) -> Commit:
        data = held(commit, ".hub/proposal")
        assert old.encode() in data, data.decode()
        return with_cause(commit, data.replace(old.encode(), new.encode(), 1))

    return change


def proposal(data: bytes) -> Change:
    return lambda commit: with_cause(commit, data)


def puts(path: str, text: str) -> Change:
    return lambda commit: and_also(commit, Put(path, text.encode()))


def drops(path: str) -> Change:
    return lambda commit: and_also(commit, Drop(path))


def without(*ends: str) -> Change:
    """The commit leaves out what it changes at the paths that end so."""
    return lambda commit: replace(
        commit, changes=tuple(c for c in commit.changes if not c.path.endswith(ends))
    )


def copies(id_: str, to: str) -> Change:
    """The document lies somewhere else as well."""
    return lambda commit: and_also(commit, Put(to, held(commit, f"/{id_}.md")))


def by(actor: str, source: str = "") -> Change:
    """Somebody else did it, and everything about the commit says so."""

    def change(commit: Commit) -> Commit:
        name = "hubd" if actor == "hub" else actor
        commit = with_trailer(replace(commit, author=name), "Hub-Actor", actor)
        commit = with_trailer(commit, "Hub-Identity", "hub" if actor == "hub" else "directory")
        return with_trailer(commit, "Hub-Source", source) if source else commit

    return change


def held(commit: Commit, end: str) -> bytes:
    return next(c.data for c in commit.changes if isinstance(c, Put) and c.path.endswith(end))


def shuffled(commit: Commit) -> Commit:
    first, second, *rest = commit.trailers
    return replace(commit, trailers=(second, first, *rest))


def dropped(number: int) -> Forgery:
    return Forgery(number, "Hub-Seq", lambda commits: [*commits[: number - 1], *commits[number:]])


def swapped(number: int) -> Forgery:
    return Forgery(
        number, "Hub-Seq", lambda c: [*c[: number - 1], c[number], c[number - 1], *c[number + 1 :]]
    )


def repeated(number: int) -> Forgery:
    return Forgery(number + 1, "Hub-Seq", lambda commits: [*commits[:number], *commits[number - 1 :]])


def renumbered(number: int) -> Forgery:
    def made(commits: Commits) -> Commits:
        later = [with_trailer(c, "Hub-Seq", str(n + 1)) for n, c in enumerate(commits, 1)]
        return [*commits[: number - 1], *later[number - 1 :]]

    return Forgery(number, "Hub-Seq", made)


def in_the_archive(number: int, id_: str, text: str | None) -> Forgery:
    """A later commit changes, or removes, what has ended."""

    def made(commits: Commits) -> Commits:
        paths = [c.path for commit in commits for c in commit.changes if c.path.startswith("archive/")]
        path = next(path for path in paths if path.endswith(f"/{id_}.md"))
        return one(number, "", drops(path) if text is None else puts(path, text)).made(commits)

    return Forgery(number, id_, made)


def _early(commit: Commit) -> Commit:
    return replace(commit, when=commit.when.replace(hour=1))


NO_DOCUMENT = "---\nid: {0}\nkind: {1}\nstate: {2}\n---\n"

FORGERIES: dict[str, Forgery] = {
    # the chain
    "a commit is missing": dropped(CLAIM),
    "the first commit is missing": Forgery(1, "contract", lambda commits: commits[1:]),
    "two commits changed places": swapped(ASK),
    "a number is left out": renumbered(REVIEW),
    "a commit stands there twice": repeated(SEND),
    "a commit is of another host": one(PLAN, "Hub-Host", says("Hub-Host", "elsewhere")),
    "the clock ran back": one(SEND, "author operator", _early),
    "the subject says something else": one(CLAIM, "claimed", subject(f"{T}.r1.a1: pending -> in_progress")),
    "a trailer that no hub writes": one(CLAIM, "Hub-Mood", says("Hub-Mood", "fine")),
    "a trailer is missing": one(CLAIM, "Hub-Identity", says("Hub-Identity", None)),
    "trailers in another order": one(CLAIM, "Hub-Seq", shuffled),
    "a second parent that is not there": one(SEND, "parent", says("Hub-Foreign", "0" * 40)),
    # who
    "an agent's name on a person's approval": one(APPROVE, "lead did not save", by("lead")),
    "git shows another author": one(APPROVE, "author", lambda commit: replace(commit, author="lead")),
    "an approval by a person who is no approver": one(
        APPROVE, "ben is none of", by("ben", f"agents/ben/inbox/{T}.r1.md")
    ),
    "an approval by an agent": one(
        APPROVE, "lead is none of", by("lead", "agents/lead/outbox/n9.md"), proposal(REQUEST)
    ),
    "an approval by the hub": one(
        APPROVE, "auto_approve", by("hub", "hub/approve"),
        proposal(REQUEST), writes("r1.md", "[operator]", "[hub]")
    ),
    "a claim from another's inbox": one(CLAIM, "tester did not save", by("tester")),
    "a review by who does not own the task": one(
        REVIEW, "backend is none of", by("backend", f"agents/backend/inbox/{T}.r1.md")
    ),
    "a card changed by an agent": one(CARD, "backend is none of", by("backend")),
    "an outbox that the hub wrote in": one(TASK, "hub did not save", by("hub")),
    "a way of knowing that is not the actor's": one(TASK, "is not known so", says("Hub-Identity", "hub")),
    # what was asked
    "the cause is another blob": one(CLAIM, "Hub-Cause", says("Hub-Cause", "1" * 40)),
    "an approval without a tick": one(APPROVE, "nobody asked", asks("- [x] approve", "- [ ] approve")),
    "an approval of another document": one(
        INSTALL, "not about", says("Hub-Source", "agents/operator/inbox/x.md")
    ),
    "a request for something else": one(PROGRESS, "nobody asked", asks("do: progress", "do: fail")),
    "a request about something else": one(PROGRESS, "not about", asks("r1.a1", "r1.a2")),
    "a document of another kind": one(SEND, "no message", asks("kind: message", "kind: question")),
    "the reviewer ticked the other verdict": one(
        APPROVED, "nobody asked", asks("- [x] approved", "- [x] changes_requested")
    ),
    "the approver read another plan": one(AMEND, "@text", asks("Fix it, with a test", "Fix it, with none")),
    "a lease expires before its time": one(
        EXPIRE, "had not come", says("Hub-Now", "2026-11-21T10:10:01.000Z boot=boot0000 mono=1001.000")
    ),
    # the table
    "a step that the table does not have": one(
        CLAIM, "claimed is no step", says("Hub-Transition", "leap: pending -> claimed")
    ),
    "a step that is not the one told": one(
        CLAIM, "says", says("Hub-Transition", "claim: pending -> failed"),
        subject(f"{T}.r1.a1: pending -> failed")
    ),
    "a document goes elsewhere than is told": one(
        CLAIM, "no step", writes("inbox/fix-the-login-xwet.r1.a1.md", "state: claimed", "state: completed")
    ),
    "an upkeep that is none": one(SEND, "upkeep", says("Hub-Class", "upkeep")),
    "an upkeep that is not told": one(READ, "upkeep", says("Hub-Class", None)),
    "something else moves with it": one(
        SEND, "no step",
        drops(f"agents/lead/inbox/{T}.md"),
        puts(f"agents/lead/waiting/{T}.md", NO_DOCUMENT.format(T, "task", "dispatched")),
    ),
    "a consequence is left out": one(APPROVE, "awaiting_approval", without(f"/{T}.md")),
    "a handoff that ends nothing": one(
        HANDOFF2, "does not fit", without("r1.a2.md", f"/{T}.md", f"/{T}.r1.md", "l-19.md")
    ),
    "a refusal that changes something": one(
        REFUSE, "no step",
        puts(f"agents/backend/inbox/{T}.r1.a1.md", NO_DOCUMENT.format(f"{T}.r1.a1", "assignment", "pending")),
    ),
    "a refusal that is not told": one(REFUSE, "True", says("Hub-Refused", None)),
    "an acceptance that is told as a refusal": one(SEND, "True", says("Hub-Refused", "not-yours")),
    # the bytes
    "an author's bytes are not those saved": one(TASK, "@text", writes(f"{T}.md", "It breaks.", "It works.")),
    "an author's bytes change with a step": one(PLAN, "@text", writes(f"{T}.md", "It breaks.", "It works.")),
    "the plan changes after its approval": one(
        HANDOFF2, "@text", writes("r1.md", "Mind the tests.", "Never mind.")
    ),
    "the plan's hash is another": one(PLAN, "plan", writes("r1.md", "plan: ", "plan: 0")),
    "an assignment that was not planned": one(
        APPROVE, "goal", writes("r1.a1.md", "goal: Fix it", "goal: Wipe it")
    ),
    "a card that was not the one approved": one(
        INSTALL, "@text", writes("cards/tester.md", "replicas: 2", "replicas: 9")
    ),
    "an approval that nobody gave": one(
        APPROVE, "approved_by", writes("r1.md", "[operator]", "[operator, anna]")
    ),
    "a verdict on other handoffs": one(HANDOFF2, "handoffs", writes("r1.md", "handoffs: ", "handoffs: 0")),
    "a line of the hub changes": one(
        CLAIM2, "goal", writes("inbox/fix-the-login-xwet.r1.a2.md", "Review", "Praise")
    ),
    "a document takes another's name": one(TASK, "from", writes(f"{T}.md", "from: operator", "from: anna")),
    "a version that is not the commit's": one(
        CLAIM, "rev", writes(f"inbox/{T}.r1.a1.md", "rev: 11", "rev: 10")
    ),
    # leases
    "a lease that is not the commit's number": one(
        CLAIM, "lease", writes("r1.a1.md", "lease: 11", "lease: 7")
    ),
    "a claim without a lease": one(CLAIM, "its lease is not", without(f"leases/{T}.r1.a1.md")),
    "a lease for somebody else": one(
        CLAIM, "its lease is not", writes(f"leases/{T}.r1.a1.md", "from: backend", "from: tester")
    ),
    "a step under a lease that is not held": one(PROGRESS, "none of", asks("lease: 11", "lease: 7")),
    "a handoff under a lease that is not held": one(
        HANDOFF, "none of", asks("lease: 11", "lease: 7"), writes("a1.h1.md", "lease: 11", "lease: 7")
    ),
    "a question under a lease that is not held": one(
        ASK, "does not fit", asks("lease: 11", "lease: 7"), writes("a1.q1.md", "lease: 11", "lease: 7")
    ),
    "a lease that outlives its assignment": one(
        HANDOFF, "its lease is not", without("l-11.md", f"leases/{T}.r1.a1.md")
    ),
    # the places
    "a document in two places": one(TASK, "belongs in", copies(T, f"agents/backend/inbox/{T}.md")),
    "a document in the wrong inbox": one(
        TASK, "belongs in", copies(T, f"agents/backend/inbox/{T}.md"), without(f"lead/inbox/{T}.md")
    ),
    "a document in two versions": one(
        SEND, "versions", writes("m-iaur.2.md", "Mind the tests.", "Never mind."),
        puts("agents/lead/inbox/m-iaur.2.md", NO_DOCUMENT.format("m-iaur.2", "message", "unread")),
    ),
    "a live document vanishes": one(LEASE, "has not ended", drops("agents/tester/inbox/m-iaur.2.md")),
    "what has ended changes": in_the_archive(
        SEND, f"{T}.r1.a1.h1", NO_DOCUMENT.format("x", "handoff", "accepted")
    ),
    "what has ended is removed": in_the_archive(SETTINGS, "b-5xds", None),
    "a file that is no document": one(SEND, "notes.txt", puts("notes.txt", "Hello.")),
    "a document that is none": one(SEND, "is none", puts("agents/lead/inbox/x.md", "Hello.")),
    "hub.yaml changes in silence": one(SEND, "hub.yaml", puts("hub.yaml", "approvers: [lead]\n")),
    "the contract changes in silence": one(SEND, "contract", puts("contract/schema/transitions.json", "{}")),
    "the contract changes with the settings": one(
        SETTINGS, "contract", puts("contract/SPEC.md", "Do as you like.")
    ),
    "a card changes in silence": one(
        SEND, "card.backend", puts("cards/backend.md", "---\nkind: agent\nhuman: true\n---\n")
    ),
    "the hub becomes another": one(SETTINGS, ".hub/id", puts(".hub/id", "hub: 1\nhost: local\n")),
}  # fmt: skip
