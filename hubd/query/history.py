"""The log: transitions as the ledger holds them, newest first.

Rule: receipts and renewals (`Hub-Class: upkeep`) are hidden unless asked for. Not promised: that one answer
looks at all of history; `more` says that it stopped looking, and a caller who wants it all raises `scan`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hubd.core import place
from hubd.core.time import format_wall, parse_wall
from hubd.query.rows import SCHEMA, View, failed

if TYPE_CHECKING:
    from hubd.ledger import Logged

LIMIT, SCAN = 20, 5000
_STEP = re.compile(r"(\S+): (\S+) -> (\S+)")


def log(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """The last transitions: of a document and its family (`id`), by an agent, of a kind, in a time."""
    limit, scan = _number(args, "limit", LIMIT), _number(args, "scan", SCAN)
    since, until = (parse_wall(str(args[k])) if args.get(k) else None for k in ("since", "until"))
    for key, read in (("since", since), ("until", until)):
        if args.get(key) and read is None:
            return failed("bad-value", f"`{key}` must be a time", "write it as 2026-11-21T10:00:00Z")
    # Hub time never goes back, so the first commit before `since` ends the walk; git need not look further.
    commits = view.ledger.log(until=until)
    found: list[dict[str, Any]] = []
    looked = 0
    for commit in itertools.islice(commits, scan):
        looked += 1
        if len(found) >= limit or (since is not None and commit.when < since):
            break
        if is_wanted(commit, args):
            found.append(transition(commit))
        if args.get("id") and _begins(commit, str(args["id"])):
            break
    return {"schema": SCHEMA, "transitions": found, "more": looked >= scan}


def _number(args: Mapping[str, Any], key: str, default: int) -> int:
    value = args.get(key)
    return value if isinstance(value, int) and value > 0 else default


def is_wanted(commit: Logged, args: Mapping[str, Any]) -> bool:
    """Whether a question is about this step."""
    trailers = commit.trailers
    if not args.get("upkeep") and trailers.get("Hub-Class") == "upkeep":
        return False
    id_ = str(args.get("id") or "")
    document = trailers.get("Hub-Document", "")
    if id_ and document != id_ and not document.startswith(f"{id_}."):
        return False
    if args.get("agent") and trailers.get("Hub-Actor") != args["agent"]:
        return False
    return not args.get("kind") or trailers.get("Hub-Kind") == args["kind"]


def _begins(commit: Logged, id_: str) -> bool:
    """Whether the document, or the task that it belongs to, was made by this commit."""
    made = commit.trailers.get("Hub-Document", "") in (id_, place.root_id(id_))
    return made and transition(commit)["from"] == "new"


def transition(commit: Logged) -> dict[str, Any]:
    """One commit as a row of the log."""
    trailers = commit.trailers
    step = _STEP.fullmatch(trailers.get("Hub-Transition", ""))
    do, before, after = step.groups() if step is not None else ("", "", "")
    return {
        "seq": commit.seq or 0,
        "commit": commit.oid,
        "time": format_wall(commit.when),
        "actor": trailers.get("Hub-Actor", commit.author),
        "document": trailers.get("Hub-Document", ""),
        "kind": trailers.get("Hub-Kind", ""),
        "from": before,
        "to": after,
        "do": do,
        "refused": trailers.get("Hub-Refused", ""),
        "source": trailers.get("Hub-Source", ""),
    }


def of_source(commits: Iterator[Logged], path: str, most: int) -> dict[str, Any] | None:
    """The transition that a file of this path led to, among the last `most`."""
    for commit in itertools.islice(commits, most):
        row = transition(commit)
        if row["source"] == path:
            return row
    return None
