"""Runs: those that go on, from the state; those that have ended, from the ledger; and what they add up to.

Rule 1: an ended run is found by the commit of its end, and read where the archive has it; there is no index.
Rule 2: as with the log, one answer looks at so many commits and no more; `more` says that it stopped looking.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any

from hubd.clock import SystemClock
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.policy import FAILURES
from hubd.core.time import format_wall, parse_wall
from hubd.query.history import LIMIT, SCAN
from hubd.query.lookup import get
from hubd.query.rows import SCHEMA, View, failed

__all__ = ["runs", "stats"]

DAYS = 7
STATS_SCAN = 20_000
_TEXTS = (
    "parent", "created", "ended", "outcome", "status", "exit", "session", "branch", "note", "runtime",
    "command",
)  # fmt: skip
_COUNTS = ("turns", "input_tokens", "output_tokens")
_FAILED = FAILURES | {"lost"}


def runs(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """The last runs, those that go on included, the newest first.

    `agent`; `task` or `id`: for a document or what belongs to it, or the run itself; `since`; `limit`. With
    `tree` the runs that led to those listed are listed too, and `tree` has each below the one that led to it.
    """
    since = parse_wall(str(args["since"])) if args.get("since") else None
    if args.get("since") and since is None:
        return failed("bad-value", "`since` must be a time", "write it as 2026-11-21T10:00:00Z")
    limit, scan = _number(args, "limit", LIMIT), _number(args, "scan", SCAN)
    ended = _Ended(view, since, scan)
    found = [d for d in reversed(view.state.runs()) if _wanted(d, args)]
    found += itertools.islice((d for d in ended if _wanted(d, args)), max(0, limit - len(found)))
    found = found[:limit]
    if args.get("tree"):
        found += _above(view, found)
    rows = [_row(d) for d in sorted(found, key=lambda d: d.text("created"), reverse=True)]
    answer = {"schema": SCHEMA, "runs": rows, "more": ended.stopped}
    return {**answer, "tree": _tree(rows)} if args.get("tree") else answer


def stats(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """How the runs of the last `days` (or `since` a time) ended, how long they took, what they cost."""
    days = _number(args, "days", DAYS)
    since = parse_wall(str(args["since"])) if args.get("since") else _now(view) - timedelta(days=days)
    if since is None:
        return failed("bad-value", "`since` must be a time", "write it as 2026-11-21T10:00:00Z")
    ended = _Ended(view, since, _number(args, "scan", STATS_SCAN))
    by_agent: dict[str, list[Doc]] = defaultdict(list)
    for doc in ended:
        if _wanted(doc, args):
            by_agent[doc.text("agent")].append(doc)
    return {
        "schema": SCHEMA,
        "since": format_wall(since),
        "agents": {name: _sum(docs) for name, docs in sorted(by_agent.items())},
        "more": ended.stopped,
    }


def _now(view: View) -> datetime:
    """The hub's own clock, where there is a hub."""
    now: datetime = (getattr(view, "clock", None) or SystemClock()).now().wall
    return now


class _Ended:
    """The runs that have ended, as history has them, the last end first. `stopped`: there may be more."""

    def __init__(self, view: View, since: datetime | None, scan: int) -> None:
        self._view, self._since, self._scan = view, since, scan
        self.stopped = False

    def __iter__(self) -> Iterator[Doc]:
        for looked, commit in enumerate(self._view.ledger.log()):
            # Hub time never goes back: behind the first commit that is too old all others are.
            if self._since is not None and commit.when < self._since:
                return
            if looked >= self._scan:
                self.stopped = True
                return
            said = commit.trailers
            if said.get("Hub-Kind") == "run" and said.get("Hub-Transition", "").startswith("end: "):
                run = get(self._view, said.get("Hub-Document", ""))
                if run is not None and run.kind is Kind.RUN:
                    yield run


def _wanted(run: Doc, args: Mapping[str, Any]) -> bool:
    if args.get("agent") and run.text("agent") != args["agent"]:
        return False
    about = str(args.get("task") or args.get("id") or "")
    return not about or any(i == about or i.startswith(f"{about}.") for i in (run.id, *run.texts("on")))


def _above(view: View, found: Iterable[Doc]) -> list[Doc]:
    """The runs that led to these, and to those, as far as they are not among them."""
    known, added = {d.id for d in found}, list[Doc]()
    for doc in found:
        above: Doc | None = doc
        while above is not None and above.text("parent") not in ("", *known):
            above = get(view, above.text("parent"))
            if above is not None:
                known.add(above.id)
                added.append(above)
    return added


def _row(run: Doc) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": run.id,
        "agent": run.text("agent"),
        "state": run.state,
        "from": run.text("from"),
        "on": list(run.texts("on")),
        "depth": run.number("depth", 1),
        "seconds": _amount(run, "seconds"),
        "cost_usd": _amount(run, "cost_usd"),
        "denied": list(run.texts("denied")),
    }
    row.update({name: run.text(name) for name in _TEXTS})
    row.update({name: run.number(name) if run.text(name) else None for name in _COUNTS})
    return row


def _amount(run: Doc, name: str) -> float | None:
    """A number that the hub wrote; None where it wrote none."""
    return float(run.text(name)) if run.text(name) else None


def _tree(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with `children`, those that nobody among them led to on top."""
    nodes = {row["id"]: {**row, "children": list[dict[str, Any]]()} for row in rows}
    top: list[dict[str, Any]] = []
    for node in nodes.values():
        above = nodes.get(node["parent"])
        (top if above is None else above["children"]).append(node)
    return top


def _sum(docs: list[Doc]) -> dict[str, Any]:
    seconds = sorted(s for d in docs if (s := _amount(d, "seconds")) is not None)
    outcomes = Counter(d.text("outcome") for d in docs)
    return {
        "runs": len(docs),
        "outcomes": dict(outcomes.most_common()),
        "median_seconds": round(median(seconds), 3) if seconds else None,
        "p90_seconds": seconds[ceil(0.9 * len(seconds)) - 1] if seconds else None,
        "cost_usd": round(sum(_amount(d, "cost_usd") or 0.0 for d in docs), 6),
        "failures": dict(Counter(_cause(d) for d in docs if d.text("outcome") in _FAILED).most_common()),
    }


def _cause(run: Doc) -> str:
    """Why a run failed, in a word or two."""
    outcome = run.text("outcome")
    if run.texts("denied") and outcome == "no_handoff":
        return f"no_handoff, denied {', '.join(run.texts('denied')[:3])}"
    code = run.text("exit")
    if outcome != "failed" or not code:
        return outcome
    return f"failed, {code}" if code.startswith("signal") else f"failed, exit {code}"


def _number(args: Mapping[str, Any], key: str, default: int) -> int:
    value = args.get(key)
    return value if isinstance(value, int) and value > 0 else default
