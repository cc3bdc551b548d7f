"""What a document may say: the kinds, their fields, and who writes each field.

Guarantee: this data is the only list of kinds and fields; schemas and validator are made of it.
Rule 1: no code here decides anything. Rule 2: a field has one writer, its author or the hub; a field that is
the hub's but by which a reader *acts* (a tick's long form) is marked `act`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hubd.core.fields import (
    DECISIONS,
    DOS,
    EVIDENCE,
    HUB_DOS,
    LAUNCH,
    OUTCOMES,
    PRESETS,
    PRIORITIES,
    RUN_ENDED,
    RUN_OUTCOMES,
    RUNTIMES,
    SHUTDOWN,
    VERDICTS,
    WORD_FORMS,
    Field,
    Kind,
    KindSpec,
    Type,
    verb,
    verdict,
)

__all__ = [
    "CONTAINER_FIELDS", "DECISIONS", "DOS", "EVIDENCE", "HUB_DOS", "KINDS", "LAUNCH", "OUTCOMES",
    "PLAN_FIELDS", "PRESETS", "PRIORITIES", "RUNTIMES", "RUN_ENDED", "RUN_OUTCOMES", "SENDABLE", "SHUTDOWN",
    "VERDICTS", "WORD_FORMS", "WORKTREE_FIELDS", "Field", "Kind", "KindSpec", "Type", "verb", "verdict",
]  # fmt: skip

_F = Field
_Fields = tuple[Field, ...]
_ID = _F("id", Type.ID, "The document's name for life, made by the hub.")
_KIND = _F("kind", Type.CHOICE, "What this document is.", required=True)
_FROM = _F("from", Type.NAME, "Who wrote it: the folder it was saved in, never a claim.")
_STATE = _F("state", Type.CHOICE, "Where it stands; see the transition table.", act=True)
_REV = _F("rev", Type.INT, "The version of a live document: the sequence number of the commit that wrote it.")
_CREATED = _F("created", Type.TIME, "When the hub accepted it.")
_OUTBOX = _F("outbox", Type.TEXT, "The name it had in its author's outbox.")
_NOTE = _F("note", Type.TEXT, "Why, in the words of who acted.", act=True)
_IN_RUN = (
    _F("run", Type.ID, "The run in which it was written."),
    _F("depth", Type.INT, "How many runs led to it since a person wrote."),
)
_SHOWN = _F("shown", Type.ID, "The run that was started for it as it stands, or was told of it.")
_PRESENTED = _F("presented", Type.TIME, "When a session of its reader was first told of it as it stands.")
_COMMON = (_ID, _STATE, _REV, _FROM, _CREATED, _OUTBOX)
_WRITTEN = (_ID, _KIND, _STATE, _REV, _FROM, _CREATED)


def _spec(kind: Kind, about: str, hub: _Fields, author: _Fields, states: str, final: str) -> KindSpec:
    keys = tuple(f.name for f in hub)
    return KindSpec(kind, about, hub, author, tuple(states.split()), frozenset(final.split()), keys)


_TASK = _spec(
    Kind.TASK,
    "Work that somebody wants done. Its owner plans it in rounds.",
    (
        *_COMMON,
        _F("rounds", Type.INT, "How many rounds were planned so far."),
        _F("messages", Type.INT, "How many messages named this task so far."),
        *_IN_RUN,
        _SHOWN,
        _PRESENTED,
        _NOTE,
    ),
    (
        _KIND,
        _F("title", Type.LINE, "One line that says what is wanted.", required=True),
        _F("owner", Type.ADDRESS, "Who plans it and reviews the work; its author when absent."),
        _F("priority", Type.CHOICE, "How pressing it is.", choices=PRIORITIES),
        _F("assignments", Type.PLAN, "A first plan; the round is then made by the hub."),
    ),
    "draft awaiting_approval dispatched awaiting_review completed closed",
    "completed closed",
)
_ROUND = _spec(
    Kind.ROUND,
    "One plan for a task: who does what, in which order. Approved by a person.",
    (
        *_COMMON,
        _F("number", Type.INT, "Which round of its task this is, from 1."),
        _F("plan", Type.TEXT, "The hash of id, assignments and prose that an approval binds."),
        _F("approved_by", Type.NAMES, "Who approved this plan so far."),
        _F("decision", Type.CHOICE, "The long form of a tick.", choices=DECISIONS, act=True),
        _F("verdict", Type.CHOICE, "What the review said.", choices=VERDICTS, act=True),
        _F("handoffs", Type.TEXT, "The hash of the handoffs that a verdict binds."),
        *_IN_RUN,
        _SHOWN,
        _PRESENTED,
        _NOTE,
    ),
    (
        _KIND,
        _F("task", Type.ID, "The task this plan is for.", required=True),
        _F("assignments", Type.PLAN, "Who does what; `after: [1]` waits for the first.", required=True),
    ),
    "awaiting_approval dispatched awaiting_review completed changes_requested rejected recalled closed",
    "completed changes_requested rejected recalled closed",
)
_ASSIGNMENT = _spec(
    Kind.ASSIGNMENT,
    "One agent's part of an approved round.",
    (
        *_WRITTEN,
        _F("task", Type.ID, "The task it belongs to."),
        _F("round", Type.ID, "The round it belongs to."),
        _F("to", Type.NAME, "Who is to do it."),
        _F("goal", Type.LINE, "What is to be done."),
        _F("after", Type.IDS, "The assignments that must be completed first."),
        _F("attempt", Type.INT, "Which try this is, from 1."),
        _F("deadline", Type.TIME, "When it times out."),
        _F("worker", Type.LINE, "The claimant's own word for itself.", act=True),
        _F("lease", Type.INT, "The fencing token of who holds it; later steps name it."),
        _F("question", Type.ID, "The question it waits for."),
        _F("outcome", Type.CHOICE, "How it ended.", choices=OUTCOMES),
        _F("because", Type.ID, "The assignment whose end cancelled this one."),
        _SHOWN,
        _PRESENTED,
        _NOTE,
    ),
    (),
    "waiting pending claimed in_progress input_required completed failed timed_out cancelled",
    "completed failed timed_out cancelled",
)
_HANDOFF = _spec(
    Kind.HANDOFF,
    "What an assignee gives back.",
    (
        *_COMMON,
        *_IN_RUN,
        _F("evidence", Type.CHOICE, "What the hub found of the work.", choices=EVIDENCE),
        _F("checked", Type.TIME, "When the hub looked."),
        _F("head", Type.COMMIT, "The commit that the hub found on the branch."),
        _F("base", Type.COMMIT, "Where the branch left the one it was started from."),
        _F("commits", Type.INT, "How many commits there are between the two."),
        _F("diffstat", Type.TEXT, "What they change, as git counts it."),
        _F("undeclared", Type.TEXTS, "Files that were changed and not named, or named and not changed."),
        _F("conflicts", Type.TEXTS, "Branches of the round, or its base, with which a merge would conflict."),
        _NOTE,
    ),
    (
        _KIND,
        _F("assignment", Type.ID, "The assignment it ends.", required=True),
        _F("lease", Type.INT, "The lease under which the work was done.", required=True),
        _F("outcome", Type.CHOICE, "done, partial (flagged) or blocked (failed).", True, OUTCOMES),
        _F("summary", Type.LINE, "One line that says what was done.", required=True),
        _F("branch", Type.LINE, "The branch that holds the work."),
        _F("commit", Type.COMMIT, "The commit that holds the work."),
        _F("changed_files", Type.TEXTS, "The files that were changed, relative to the project."),
        _F("tests_run", Type.TEXTS, "Which tests were run, and what they said."),
        _F("risks", Type.TEXTS, "What could be wrong."),
        _F("next_steps", Type.TEXTS, "What is left to do."),
    ),
    "submitted accepted returned",
    "accepted returned",
)
_QUESTION = _spec(
    Kind.QUESTION,
    "Something somebody must answer. It may stop an assignment's clock.",
    (
        *_COMMON,
        _F("until", Type.TIME, "When it expires."),
        _F("answer", Type.TEXT, "The answer.", act=True),
        _F("answered_by", Type.NAME, "Who answered."),
        *_IN_RUN,
        _SHOWN,
        _PRESENTED,
        _NOTE,
    ),
    (
        _KIND,
        _F("to", Type.ADDRESS, "Who is asked; the operator when absent."),
        _F("title", Type.LINE, "The question in one line.", required=True),
        _F("assignment", Type.ID, "The assignment that waits for the answer."),
        _F("lease", Type.INT, "The lease of that assignment."),
        _F("task", Type.ID, "The task it is about."),
        _F("choices", Type.TEXTS, "Possible answers, offered as ticks."),
        _F("default", Type.LINE, "The answer when nobody answers in time."),
        _F("expires", Type.WHEN, "When it expires."),
    ),
    "open answered expired",
    "answered expired",
)
_MESSAGE = _spec(
    Kind.MESSAGE,
    "Something somebody should know.",
    (
        *_COMMON,
        _F("hops", Type.INT, "How many messages led to this one since a person wrote."),
        _F("thread", Type.ID, "The first message of this exchange."),
        _F("until", Type.TIME, "When it expires."),
        *_IN_RUN,
        _SHOWN,
        _PRESENTED,
    ),
    (
        _KIND,
        _F("to", Type.ADDRESSES, "A name, a list, owner, operator, any:CAPABILITY, or all.", required=True),
        _F("subject", Type.LINE, "One line that says what it is about.", required=True),
        _F("reply_to", Type.ID, "The message or document it answers."),
        _F("task", Type.ID, "The task it is about."),
        _F("dedupe_key", Type.LINE, "The sender's own key: the same key and bytes are delivered once."),
        _F("priority", Type.CHOICE, "How pressing it is.", choices=PRIORITIES),
        _F("expires", Type.WHEN, "When it need not be read any more."),
    ),
    "unread read expired",
    "read expired",
)
_REQUEST = _spec(
    Kind.REQUEST,
    "Something to be done to a document that lies elsewhere. It is carried out, and lies nowhere.",
    (),
    (
        _KIND,
        _F("do", Type.CHOICE, "What to do.", True, DOS),
        _F("on", Type.KEY, "The id or the key it is about.", required=True),
        _F("lease", Type.INT, "The lease that the step is made under."),
        _F("worker", Type.LINE, "The claimant's own word for itself."),
        _F("plan", Type.TEXT, "For approve: the hash of what was read; nothing else is then approved."),
        _F("handoffs", Type.TEXT, "For review: the hash of what was read; nothing else is then judged."),
        _F("verdict", Type.CHOICE, "For review.", choices=VERDICTS),
        _F("answer", Type.TEXT, "For answer."),
        _F("to", Type.ADDRESS, "For reassign: to whom."),
        _F("for", Type.IDS, "For start: what the run is for; else what is in the inbox. For show, present."),
        _F("result", Type.MAP, "For end and check, by the hub: what it observed."),
        _F("path", Type.GLOBS, "For lease: the path globs that are covered."),
        _F("ttl", Type.DURATION, "For lease, renew: how long."),
        _F("note", Type.TEXT, "Why."),
    ),
    "",
    "",
)
_RUN = _spec(
    Kind.RUN,
    "One launch of an agent's process.",
    (
        *_WRITTEN,
        _F("agent", Type.NAME, "Whose process."),
        _F("on", Type.IDS, "The documents it was started for, or was told of."),
        _F("lease", Type.INT, "The lease of the assignment that was claimed for it."),
        _F("parent", Type.ID, "The run in which what it was started for was written."),
        _F("depth", Type.INT, "How many runs led to it, itself included, since a person wrote."),
        _F("hops", Type.INT, "The most hops of the messages that it was shown."),
        _F("runtime", Type.CHOICE, "How it runs.", choices=RUNTIMES),
        _F("command", Type.LINE, "The preset, or the program."),
        _F("stopped_by", Type.NAME, "Who asked for its stop."),
        _F("ended", Type.TIME, "When it ended."),
        _F("outcome", Type.CHOICE, "How it ended.", choices=RUN_OUTCOMES),
        _F("status", Type.LINE, "What its last STATUS line said."),
        _F("exit", Type.LINE, "Its exit code, or the signal that ended it."),
        _F("seconds", Type.NUMBER, "How long it ran."),
        _F("session", Type.LINE, "The client's own name for its session."),
        _F("cost_usd", Type.NUMBER, "What it cost, this run alone."),
        _F("turns", Type.INT, "How many turns the model took."),
        _F("input_tokens", Type.INT, "Tokens read by the model."),
        _F("output_tokens", Type.INT, "Tokens written by the model."),
        _F("denied", Type.TEXTS, "Tools that it asked for and was not given."),
        _F("branch", Type.LINE, "The branch of its worktree."),
        _NOTE,
    ),
    (),
    "started stopping ended",
    "ended",
)
_LEASE = _spec(
    Kind.LEASE,
    "Who may work on what, until when.",
    (
        *_WRITTEN,
        _F("key", Type.KEY, "What is leased: an assignment's id, or any key."),
        _F("lease", Type.INT, "The fencing token: it only grows."),
        _F("worker", Type.LINE, "The holder's own word for itself."),
        _F("path", Type.GLOBS, "The path globs that are covered."),
        _F("ttl", Type.INT, "The term in seconds; 0 for no end."),
        _F("boot", Type.TEXT, "The boot on whose clock the deadline counts."),
        _F("deadline", Type.NUMBER, "The deadline on that clock, in seconds."),
        _F("left", Type.NUMBER, "Seconds left when the clock was stopped by a question."),
        _F("expires", Type.TIME, "The same deadline as people read it; the clock above decides."),
        _NOTE,
    ),
    (),
    "held released expired",
    "released expired",
)
WORKTREE_FIELDS: _Fields = (
    _F("base", Type.LINE, "The branch or commit that work begins from."),
    _F("copy", Type.GLOBS, "Files of the project that git does not hold, copied by name into a new one."),
    _F("setup", Type.COMMAND, "A program and its words, run once in a new worktree."),
)
CONTAINER_FIELDS: _Fields = (
    _F("image", Type.LINE, "The image; needed where `runtime` is container."),
    _F("mounts", Type.TEXTS, "Further folders: HOST:INSIDE, read-only with `:ro` behind it."),
    _F("network", Type.LINE, "none, host, or the name of a network; the engine's own when absent."),
    _F("memory", Type.LINE, "The most memory, such as 512m or 2g."),
    _F("cpus", Type.NUMBER, "The most processors."),
    _F("user", Type.LINE, "Who it runs as: a number, or two as 1000:1000; the hub's user when absent."),
)
_AGENT = _spec(
    Kind.AGENT,
    "A card: an agent's configuration, or a person's.",
    (
        *_COMMON,
        _F("plan", Type.TEXT, "The hash of the proposed text that an approval binds."),
        _F("decision", Type.CHOICE, "The long form of a tick.", choices=DECISIONS, act=True),
        *_IN_RUN,
        _NOTE,
    ),
    (
        _KIND,
        _F("name", Type.NAME, "The agent's name; the file's name says it for a saved card."),
        _F("human", Type.BOOL, "A person, not a program."),
        _F("description", Type.LINE, "One line about it."),
        _F("email", Type.LINE, "What git shows as the author's address."),
        _F("capabilities", Type.NAMES, "What it can do, for any:CAPABILITY."),
        _F("launch", Type.CHOICE, "When the hub starts it; manual when absent.", choices=LAUNCH),
        _F("shutdown", Type.CHOICE, "When the hub stops it; empty when absent.", choices=SHUTDOWN),
        _F("idle_timeout", Type.DURATION, "How long without a word is idle; 30m when absent."),
        _F("runtime", Type.CHOICE, "How it runs; process when absent.", choices=RUNTIMES),
        _F("command", Type.COMMAND, f"A preset ({', '.join(PRESETS)}), or a list: a program and its words."),
        _F("directory", Type.LINE, "The project it works in: a path that begins with / or ~/."),
        _F("worktree", Type.MAP, "A worktree for each assignment; see below.", parts=WORKTREE_FIELDS),
        _F("timeout", Type.DURATION, "The longest run; `run_timeout` of hub.yaml when absent."),
        _F("replicas", Type.INT, "How many of its runs at once; 1 when absent."),
        _F("model", Type.LINE, "Which model."),
        _F("permission_mode", Type.LINE, "The client's own permission mode."),
        _F("allowed_tools", Type.TEXTS, "Tools the client may use."),
        _F("disallowed_tools", Type.TEXTS, "Tools the client may not use."),
        _F("budget_usd", Type.NUMBER, "The most one run may cost."),
        _F("env", Type.MAP, "Variables of its process; no secrets, which belong in pass_env."),
        _F("pass_env", Type.TEXTS, "Names of variables passed on from the hub's environment."),
        _F("container", Type.MAP, "What it runs in; see below.", parts=CONTAINER_FIELDS),
    ),
    "proposed active accepted retired rejected",
    "accepted retired rejected",
)
_BOUNCE = _spec(
    Kind.BOUNCE,
    "Why something was not accepted, and what to write instead.",
    (
        *_WRITTEN,
        _F("code", Type.TEXT, "Which rule."),
        _F("about", Type.TEXT, "The file that was refused."),
        _F("document", Type.ID, "The document it was about, if one is known."),
        _F("line", Type.INT, "The line in that file."),
        _F("kept", Type.TEXT, "Where the bytes are."),
        _F("count", Type.INT, "How often in a row; from the third on this one document counts on."),
        _PRESENTED,
    ),
    (),
    "unread read",
    "read",
)
_CONFIG = _spec(Kind.CONFIG, "hub.yaml, the contract and the mailbox's README.", (), (), "active", "")

_SPECS = (
    _TASK, _ROUND, _ASSIGNMENT, _HANDOFF, _QUESTION, _MESSAGE,
    _REQUEST, _RUN, _LEASE, _AGENT, _BOUNCE, _CONFIG,
)  # fmt: skip
KINDS: Mapping[Kind, KindSpec] = MappingProxyType({s.kind: s for s in _SPECS})

PLAN_FIELDS: tuple[Field, ...] = (
    _F("to", Type.ADDRESS, "Who: a name, or any:CAPABILITY.", required=True),
    _F("goal", Type.LINE, "What is to be done.", required=True),
    _F("after", Type.TEXTS, "The numbers of the assignments in this plan that come first."),
    _F("deadline", Type.WHEN, "When it times out."),
)

SENDABLE = frozenset(
    {Kind.TASK, Kind.ROUND, Kind.HANDOFF, Kind.QUESTION, Kind.MESSAGE, Kind.REQUEST, Kind.AGENT}
)
