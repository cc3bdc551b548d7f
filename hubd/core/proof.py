"""What a reader of the history must know beyond the transition table: roles, trailers, lines, places.

Rule: data alone, for `schema` to write into the contract; the hub itself decides by none of it. That the hub
does what stands here is what `hubctl verify` proves of every commit.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubd.core.model import Kind

ROLES: Mapping[str, str] = {
    "anyone": "whoever has a card",
    "person": "whose card says `human: true`",
    "author": "the document's `from`",
    "owner": "who plans the task that the document belongs to: its `owner`, or else its author",
    "approver": "named in `approvers` of hub.yaml, and a person; under `not_author` not who wrote the round, "
    "nor the author of a task for its own plan",
    "assignee": "the assignment's `to`",
    "holder": "the assignee, or who a lease is `from`, who names the number of the lease that is held",
    "recipient": "in whose inbox the document lies",
    "hub": "the hub itself: because of time, by policy, or from what it observed",
}

JUDGED = ("host", "operator", "approvers", "approvals", "not_author", "self_approval")
"""The settings that legality depends on; the others, the environment may change."""

TRAILERS = (
    "Seq",
    "Host",
    "Document",
    "Kind",
    "Transition",
    "Actor",
    "Identity",
    "Source",
    "Cause",
    "Now",
    "Refused",
    "Observed",
    "Class",
    "Foreign",
)
"""The trailers of a commit, each after `Hub-`, in their order. The last four stand where they are needed."""

_NEW = "id=id from=sender created outbox run=live depth=live"
_MADE = "id=id from=sender kind created"
_HELD = "key lease=commit ttl worker path boot deadline expires note @text"
_AGAIN = (
    "attempt deadline note lease=none worker=none outcome=none question=none because=none shown=none "
    "presented=none"
)
_PRESENT = {"present": "presented=now"}
_SHOWN = {"show": "shown=run", "unshow": "shown=none", **_PRESENT}
WRITES: Mapping[Kind, Mapping[str, str]] = {
    Kind.TASK: {
        "submit": f"{_NEW} rounds @text=saved",
        "amend": "@text=saved",
        "plan": "rounds note",
        "complete": "note",
        "close": "note",
        "count": "messages",
        **_SHOWN,
    },
    Kind.ROUND: {
        "submit": f"{_NEW} number plan=hash @text=saved",
        "amend": "plan=hash approved_by=none @text=saved",
        "approve": "plan=hash approved_by=given decision note @text=read",
        "reject": "decision note",
        "recall": "note",
        "finish": "handoffs",
        "reopen": "handoffs=none",
        "review": "verdict note",
        **_SHOWN,
    },
    Kind.ASSIGNMENT: {
        "create": f"{_MADE} task round to goal after attempt deadline @text",
        "claim": "lease=commit worker question",
        "progress": "note",
        "release": "lease=none worker=none note",
        "expire": "note",
        "expire pending": "lease=none worker=none attempt note",
        "complete": "outcome",
        "fail": "outcome note",
        "give-back": "attempt note lease=none worker=none shown",
        "give-up": "outcome note",
        "ask": "question",
        "cancel": "note",
        "withdraw": "because note",
        "retry": _AGAIN,
        "reassign": f"to {_AGAIN}",
        "revive": "because=none note=none",
        **_PRESENT,
    },
    Kind.HANDOFF: {
        "submit": f"{_NEW} @text=saved",
        "check": "evidence checked head base commits diffstat undeclared conflicts note",
    },
    Kind.QUESTION: {
        "submit": f"{_NEW} until @text=saved",
        "answer": "answer answered_by=actor",
        "expire": "answer",
        **_SHOWN,
    },
    Kind.MESSAGE: {"submit": f"{_NEW} hops thread until @text=saved", **_SHOWN},
    Kind.RUN: {
        "start": f"{_MADE} agent on lease parent depth hops runtime command note @text",
        "show": "on hops lease depth",
        "stop": "stopped_by=actor note",
        "end": "ended outcome status exit seconds session cost_usd turns input_tokens output_tokens denied "
        "branch note",
    },
    Kind.LEASE: {
        "lease": f"{_MADE} {_HELD}",
        "pause": f"{_MADE} {_HELD}",
        "grant": f"id=id from kind created {_HELD}",
        "renew": "ttl boot deadline expires left",
        "stop-clock": "deadline expires left",
        "start-clock": "boot deadline expires left",
        "expire": "note",
    },
    Kind.AGENT: {
        "submit": f"{_NEW} plan=hash @text=saved",
        "amend": "plan=hash @text=saved",
        "install": "@text=saved",
        "approve": "plan=hash decision note @text=read",
        "reject": "decision note",
    },
    Kind.BOUNCE: {"refuse": f"{_MADE} code about document line kept count @text", **_PRESENT},
}
"""The hub's lines that a step writes, besides `state` and `rev`; all others stay. `line=how` says what is
written: `id`, `commit` (Hub-Seq), `hash` (of what the author wrote), `actor`, `sender` (the actor, or `hub`),
`given` (who has approved this plan, the actor last), `run` (the run that the commit is about), `live` (of a
run of its author's that goes on; empty if none does), `now` (the second of Hub-Now), `none` (the line goes).
`@text` is what is not the hub's: `saved` (as the proposal has it), `read` (as it was, or as the proposal has
it). A step to another state takes `shown` and `presented` away, unless it says otherwise."""

ASKED_AS: Mapping[str, tuple[str, ...]] = {
    "renew": ("progress",),
    "submit": ("plan",),
    "release": ("pending",),
    "ack": ("",),
    "amend": ("",),
    "answer": ("",),
    "review completed": ("approve",),
    "review changes_requested": ("changes_requested",),
}
"""Other words by which a proposal may ask for a step; an empty one: it need not say any. Where the key names
the state too, only these words ask for it."""

LIES: Mapping[Kind, Mapping[str, str]] = {
    Kind.TASK: {"draft": "inbox owner", "": "waiting owner"},
    Kind.ROUND: {
        "awaiting_approval": "inbox approver",
        "dispatched": "waiting owner",
        "awaiting_review": "inbox owner",
    },
    Kind.ASSIGNMENT: {
        "waiting": "waiting assignee",
        "input_required": "waiting assignee",
        "": "inbox assignee",
    },
    Kind.HANDOFF: {"": "inbox owner"},
    Kind.QUESTION: {"": "inbox recipient"},
    Kind.MESSAGE: {"": "inbox recipient"},
    Kind.BOUNCE: {"": "inbox recipient"},
    Kind.RUN: {"": "waiting agent"},
    Kind.LEASE: {"": "leases"},
    Kind.AGENT: {"active": "cards", "": "inbox approver"},
}
"""Where a document lies in its state: the folder, and whose. What is final lies in the archive."""
