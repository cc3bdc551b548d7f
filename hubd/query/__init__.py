"""The read model: what every front end shows, from the state and the ledger, in one place.

Guarantee: a question changes nothing, and an answer is a plain dict that JSON can hold, whatever was asked.
Rule 1: no front end reads documents or git by itself. Rule 2: times are absolute here
(`2026-11-21T10:00:00Z`); who shows them makes them relative. Rule 3: git is not asked here, the ledger is.

    rows.py       one document as a row; who may do what with it
    lookup.py     ids from prefixes, one document in full, a task with all that belongs to it
    history.py    the log
    overview.py   status, inbox, leases, tasks
    agents.py     agents: what they do, what state they are in, why they were not started
    runs.py       runs that go on and that have ended, and what they add up to
    search.py     documents that hold some words
    pages.py      the log in pages, and what has changed
    digest.py     what a session is told of its mail; brief.py: what who has lost its memory is told
    now.py        NOW.md, what waits for whom
    reading.py    the same view without a hub: the ledger opened for reading
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubd.query import agents, brief, digest, history, lookup, overview, pages, runs, search
from hubd.query.now import now_text, write_now
from hubd.query.rows import SCHEMA, View, failed

__all__ = ["SCHEMA", "View", "answer", "now_text", "write_now"]

_ANSWERS: Mapping[str, Callable[[View, Mapping[str, Any]], dict[str, Any]]] = {
    "brief": brief.brief,
    "digest": digest.digest,
    "family": lookup.family,
    "find": lookup.find,
    "history": pages.history,
    "inbox": overview.inbox,
    "leases": overview.leases,
    "log": history.log,
    "operator": overview.operator,
    "runs": runs.runs,
    "search": search.search,
    "show": lookup.show,
    "stamps": pages.stamps,
    "stats": runs.stats,
    "tasks": overview.tasks,
}
_WITH_FACTS: Mapping[str, Callable[[View, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "agents": agents.agents,
    "status": overview.status,
}


def answer(
    hub: View, what: str, args: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Answer one question. `facts` is what only a running daemon knows.

    pid, uptime, trouble; runs: {id: {up, pid, quiet, bytes, stuck}}; held: what was not started, as
    [{agent, on, code, message, hint}]; states: {agent: state}; cost: {agent: USD today}.
    """
    if what in _WITH_FACTS:
        return _WITH_FACTS[what](hub, args, facts or {})
    ask = _ANSWERS.get(what)
    if ask is None:
        known = ", ".join(sorted({*_ANSWERS, *_WITH_FACTS}))
        return failed("bad-request", f"there is no question `{what}`", f"ask: {known}")
    return ask(hub, args)
