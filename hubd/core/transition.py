"""The transition table: every step that any document can take, as data.

Guarantee: nothing changes state except along a row of `TABLE`; `Work.move` looks a row up before it
writes, and `hubctl verify` looks the same row up, from the contract, when it reads the history.

A row is *direct* when somebody proposes it (`by` says who may), and it *follows* when it is a consequence
of another document's direct step in the same commit (`follows` names that step as `kind.do`). Roles are
found in the documents themselves:

  anyone     any agent that has a card         person     a card with `human: true`
  author     the document's `from`             approver   named in hub.yaml, and a person
  owner      the task's owner                  assignee   the assignment's `to`
  holder     the assignee who names its lease  recipient  whose inbox it lies in
  hub        the daemon itself, from time, from policy or from what it observed

Rule: no code but this table says who may do what; the guards in `needs` are carried out in `decide`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hubd.core.model import KINDS, Kind

NEW = ""
"""The state before a document exists."""


@dataclass(frozen=True, slots=True)
class Row:
    """One legal step. `do` is the verb of the proposal; `needs` says in words what else must hold."""

    kind: Kind
    before: str
    after: str
    do: str
    by: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    needs: str = ""
    upkeep: bool = False


def _rows(
    kind: Kind,
    befores: str,
    after: str,
    do: str,
    by: str = "",
    follows: str = "",
    needs: str = "",
    upkeep: bool = False,
) -> Iterator[Row]:
    for before in befores.split():
        before = NEW if before == "new" else before
        target = before if after == "same" else after
        yield Row(kind, before, target, do, tuple(by.split()), tuple(follows.split()), needs, upkeep)


_BEGINS = "run.start run.show"
_ENDS = "handoff.submit assignment.fail assignment.expire assignment.cancel run.end"
_STOPS = "round.recall task.close assignment.reassign assignment.expire assignment.cancel"
_PRESENTS = (
    "task.present round.present assignment.present question.present message.present bounce.present"
)
_SETTLED = "question.answer question.expire question.cancel"
_LIVE_TASK = "draft awaiting_approval dispatched awaiting_review"
_LIVE_ROUND = "awaiting_approval dispatched awaiting_review"
_LIVE_ASSIGNMENT = "waiting pending claimed in_progress input_required"
_T, _R, _A, _H = Kind.TASK, Kind.ROUND, Kind.ASSIGNMENT, Kind.HANDOFF
_Q, _M, _L, _G = Kind.QUESTION, Kind.MESSAGE, Kind.LEASE, Kind.AGENT
_B, _C, _RUN = Kind.BOUNCE, Kind.CONFIG, Kind.RUN


def _presented(kind: Kind, states: str) -> Iterator[Row]:
    """What one request says of many documents: the first is the commit's own, the others follow from it."""
    return _rows(kind, states, "same", "present", "recipient", _PRESENTS, "not since it stands so", True)


TABLE: tuple[Row, ...] = (
    # task: what somebody wants
    *_rows(_T, "new", "draft", "submit", "anyone"),
    *_rows(_T, "draft", "same", "amend", "author owner person", needs="its owner stays the same"),
    *_rows(_T, "draft", "awaiting_approval", "plan", follows="round.submit"),
    *_rows(_T, "awaiting_approval", "dispatched", "dispatch", follows="round.approve"),
    *_rows(_T, "awaiting_approval", "draft", "plan-again", follows="round.reject round.recall"),
    *_rows(_T, "dispatched", "awaiting_review", "finish-round", follows=_ENDS),
    *_rows(_T, "awaiting_review", "dispatched", "dispatch", follows="assignment.retry assignment.reassign"),
    *_rows(_T, "dispatched", "draft", "plan-again", follows="round.recall"),
    *_rows(_T, "awaiting_review", "draft", "plan-again", follows="round.recall round.review"),
    *_rows(_T, "awaiting_review", "completed", "complete", follows="round.review"),
    *_rows(_T, _LIVE_TASK, "closed", "close", "author owner person approver"),
    *_rows(_T, _LIVE_TASK, "same", "count", follows="message.submit"),
    *_rows(_T, _LIVE_TASK, "same", "readdress", follows="config.amend"),
    *_rows(_T, "draft", "same", "show", follows=_BEGINS),
    *_rows(_T, "draft", "same", "unshow", follows="run.end"),
    *_presented(_T, "draft"),
    # round: one plan, approved by people
    *_rows(
        _R, "new", "awaiting_approval", "submit", "owner person hub",
        needs="the task is in draft; at most max_rounds rounds of max_assignments_per_round assignments",
    ),
    *_rows(_R, "awaiting_approval", "same", "amend", "author owner approver", needs="approvals given lapse"),
    *_rows(_R, "awaiting_approval", "same", "approve", "approver", needs="more approvals are needed"),
    *_rows(
        _R, "awaiting_approval", "dispatched", "approve", "approver hub",
        needs="the plan's hash is the one that was read; the hub only by auto_approve",
    ),
    *_rows(_R, "awaiting_approval", "rejected", "reject", "approver"),
    *_rows(_R, "awaiting_approval", "recalled", "recall", "author owner approver"),
    *_rows(_R, "dispatched awaiting_review", "recalled", "recall", "approver person owner"),
    *_rows(_R, "dispatched", "awaiting_review", "finish", follows=_ENDS),
    *_rows(_R, "awaiting_review", "dispatched", "reopen", follows="assignment.retry assignment.reassign"),
    *_rows(_R, "awaiting_review", "completed", "review", "owner approver person", needs="verdict approved"),
    *_rows(
        _R, "awaiting_review", "changes_requested", "review", "owner approver person",
        needs="verdict changes_requested; another round is allowed by max_rounds",
    ),
    *_rows(_R, _LIVE_ROUND, "closed", "close", follows="task.close"),
    *_rows(_R, _LIVE_ROUND, "same", "readdress", follows="config.amend"),
    *_rows(_R, "awaiting_review", "same", "refresh", follows="handoff.check"),
    *_rows(_R, "awaiting_review", "same", "show", follows=_BEGINS),
    *_rows(_R, "awaiting_review", "same", "unshow", follows="run.end"),
    *_presented(_R, "awaiting_review"),
    # assignment: one agent's part
    *_rows(_A, "new", "waiting", "create", follows="round.approve"),
    *_rows(_A, "new", "pending", "create", follows="round.approve"),
    *_rows(_A, "waiting", "pending", "unblock", follows="handoff.submit"),
    *_rows(
        _A, "pending", "claimed", "claim", "assignee", _BEGINS,
        needs="fewer than max_simultaneous_assignments held",
    ),
    *_rows(
        _A, "claimed in_progress", "claimed", "claim", follows="run.start",
        needs="the run that held it has ended",
    ),
    *_rows(_A, "claimed in_progress", "in_progress", "progress", "holder"),
    *_rows(_A, "claimed in_progress", "pending", "release", "holder"),
    *_rows(_A, "claimed in_progress", "pending", "expire", "hub", needs="its lease ended; attempts left"),
    *_rows(_A, "claimed in_progress", "failed", "expire", "hub", needs="the lease ended at the last attempt"),
    *_rows(_A, "claimed in_progress", "completed", "complete", follows="handoff.submit"),
    *_rows(_A, "claimed in_progress", "failed", "fail", "holder", "handoff.submit"),
    *_rows(_A, "pending", "failed", "fail", "assignee"),
    *_rows(_A, "claimed in_progress", "pending", "give-back", follows="run.end", needs="that run held it"),
    *_rows(
        _A, "claimed in_progress", "failed", "give-up", follows="run.end",
        needs="that run held it, and was blocked, or it was the last attempt",
    ),
    *_rows(_A, "claimed in_progress", "input_required", "ask", follows="question.submit"),
    *_rows(_A, "input_required", "in_progress", "answer", follows=_SETTLED),
    *_rows(_A, _LIVE_ASSIGNMENT, "timed_out", "expire", "hub", needs="its deadline has passed"),
    *_rows(_A, _LIVE_ASSIGNMENT, "cancelled", "cancel", "owner person"),
    *_rows(_A, "waiting", "cancelled", "withdraw", follows="round.recall task.close " + _ENDS),
    *_rows(
        _A, "pending claimed in_progress input_required", "cancelled", "withdraw",
        follows="round.recall task.close",
    ),
    *_rows(
        _A, "failed timed_out cancelled", "pending", "retry", "owner person", needs="its round is not settled"
    ),
    *_rows(
        _A, "timed_out cancelled", "waiting", "retry", "owner person",
        needs="its round is not settled; what it comes after is under way",
    ),
    *_rows(
        _A, "pending claimed in_progress input_required failed timed_out cancelled", "pending", "reassign",
        "owner person", needs="its round is not settled",
    ),
    *_rows(
        _A, "waiting timed_out cancelled", "waiting", "reassign", "owner person",
        needs="its round is not settled; what it comes after is under way",
    ),
    *_rows(
        _A, "cancelled", "waiting", "revive", follows="assignment.retry assignment.reassign",
        needs="it was cancelled because the one that is tried again had ended",
    ),
    *_presented(_A, "pending claimed in_progress"),
    # handoff: what comes back
    *_rows(_H, "new", "submitted", "submit", "holder", needs="the lease named is the one held"),
    *_rows(_H, "submitted", "accepted", "settle", follows="round.review"),
    *_rows(
        _H, "submitted", "returned", "settle",
        follows="round.review round.recall task.close assignment.retry assignment.reassign",
    ),
    *_rows(_H, "submitted", "same", "readdress", follows="config.amend"),
    *_rows(_H, "submitted", "same", "check", "hub", needs="the hub has looked at the work"),
    # question: somebody must answer
    *_rows(_Q, "new", "open", "submit", "anyone hub", needs="an assignment is held under the lease named"),
    *_rows(_Q, "open", "answered", "answer", "recipient"),
    *_rows(_Q, "open", "expired", "expire", "hub", needs="its time has passed; the default is the answer"),
    *_rows(_Q, "open", "expired", "cancel", "author person"),
    *_rows(_Q, "open", "expired", "withdraw", follows=_STOPS, needs="what waited for it has ended"),
    *_rows(_Q, "open", "same", "show", follows=_BEGINS),
    *_rows(_Q, "open", "same", "unshow", follows="run.end"),
    *_presented(_Q, "open"),
    # message: somebody should know
    *_rows(
        _M, "new", "unread", "submit", "anyone hub",
        f"message.submit {_SETTLED} round.review task.close bounce.refuse run.end",
        needs="fewer than max_hop_count hops; at most max_recipients copies; max_messages_per_task",
    ),
    *_rows(_M, "unread", "read", "ack", "recipient", upkeep=True),
    *_rows(_M, "unread", "expired", "expire", "hub", upkeep=True),
    *_rows(_M, "unread", "same", "show", follows=_BEGINS),
    *_rows(_M, "unread", "same", "unshow", follows="run.end"),
    *_presented(_M, "unread"),
    # lease: who holds what
    *_rows(_L, "new", "held", "lease", "anyone", needs="no other lease has the key or overlaps its globs"),
    *_rows(_L, "new", "held", "pause", "person"),
    *_rows(_L, "new", "held", "grant", follows=f"assignment.claim {_BEGINS}"),
    *_rows(_L, "held", "held", "renew", "holder hub", "assignment.progress", upkeep=True),
    *_rows(_L, "held", "held", "stop-clock", follows="question.submit"),
    *_rows(_L, "held", "held", "start-clock", follows=_SETTLED),
    *_rows(_L, "held", "released", "unlease", "holder person"),
    *_rows(_L, "held", "released", "resume", "person"),
    *_rows(
        _L, "held", "released", "free",
        follows="assignment.release assignment.reassign round.recall task.close run.start " + _ENDS,
    ),
    *_rows(
        _L, "held", "expired", "expire", "hub", "assignment.expire",
        needs="its clock has run out, or its holder died",
    ),
    # agent: a card
    *_rows(_G, "new", "active", "amend", "person", needs="saved in cards/"),
    *_rows(_G, "active", "active", "amend", "person", "agent.approve"),
    *_rows(_G, "active", "retired", "retire", "person", needs="nothing live is its to do"),
    *_rows(_G, "new", "proposed", "submit", "anyone"),
    *_rows(_G, "proposed", "proposed", "amend", "author approver"),
    *_rows(_G, "proposed", "proposed", "readdress", follows="config.amend"),
    *_rows(_G, "new", "active", "install", follows="agent.approve config.init"),
    *_rows(_G, "proposed", "accepted", "approve", "approver", needs="its text becomes the card"),
    *_rows(_G, "proposed", "rejected", "reject", "approver author"),
    # bounce: why not
    *_rows(_B, "new", "unread", "refuse", "anyone"),
    *_rows(_B, "unread", "unread", "refuse", "anyone", needs="the fourth and later about one file"),
    *_rows(_B, "unread", "read", "ack", "recipient", upkeep=True),
    *_presented(_B, "unread"),
    # run: one launch of a process
    *_rows(
        _RUN, "new", "started", "start", "hub person",
        needs="the agent has a command and is not paused; replicas, max_concurrency and max_depth allow it; "
        "something needs it, or it is kept up",
    ),
    *_rows(_RUN, "started", "same", "show", "hub", needs="the agent was told of more", upkeep=True),
    *_rows(_RUN, "started", "stopping", "stop", "hub person", "run.stop", needs="what follows lies below it"),
    *_rows(_RUN, "started stopping", "ended", "end", "hub", needs="nothing of its process is left"),
    # config: the hub's own ground
    *_rows(_C, "new", "active", "init", "hub"),
    *_rows(_C, "active", "active", "amend", "person hub"),
    *_rows(
        _C, "active", "active", "adopt", "hub", needs="a person's own commit was judged; the tree stays"
    ),
)  # fmt: skip


ROWS = {(row.kind, row.before, row.after, row.do): row for row in TABLE}
"""The table by (kind, before, after, do)."""


_DIRECT: dict[tuple[Kind, str], tuple[Row, ...]] = {}
for _row in TABLE:
    if _row.by:
        _DIRECT[_row.kind, _row.before] = (*_DIRECT.get((_row.kind, _row.before), ()), _row)


def direct(kind: Kind, before: str) -> tuple[Row, ...]:
    """Return the rows that somebody may propose from this state, in the order of the table."""
    return _DIRECT.get((kind, before), ())


UNOFFERED = frozenset({"present"})
"""What nobody is offered to do: it is said by a session's hooks, of many documents at once."""
_DOS = {
    key: tuple(dict.fromkeys(r.do for r in rows if r.by != ("hub",) and r.do not in UNOFFERED))
    for key, rows in _DIRECT.items()
}


def dos(kind: Kind, before: str) -> tuple[str, ...]:
    """Return the verbs that a person or agent (not only the hub) may propose from this state."""
    return _DOS.get((kind, before), ())


def is_final(kind: Kind, state: str) -> bool:
    """Return whether a document in this state is finished and archived."""
    return state in KINDS[kind].final
