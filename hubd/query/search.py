"""Search: documents that hold some words, live ones first, then ended ones by their family's last step.

Guarantee: a document is found once, however many pages an answer has, as long as nobody writes meanwhile.
Rule: there is no index. One answer reads so many documents and no more; `next` says where to go on, also
where nothing was found so far.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hubd.core import place
from hubd.core.effect import Doc
from hubd.query.lookup import get
from hubd.query.pages import back_from, count
from hubd.query.rows import SCHEMA, View, failed, reader, row

__all__ = ["search"]

LIMIT, READS, SCAN = 20, 300, 3000
_SNIPPET = 160
_LIVE = re.compile(r"l([0-9]{1,18})\.(.{1,400})\Z")
_ENDED = re.compile(r"s([0-9]{1,18})\Z")


def search(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """Documents with all the words of `text`, in any case: in their header, their text or their block.

    `kind`; `live`: leave out what has ended; `limit`; `after`: the `next` of the answer before.
    """
    words = str(args.get("text") or "").casefold().split()
    if not words:
        return failed("bad-value", "`text` holds no word", "give the words to look for")
    after = str(args.get("after") or "")
    live, ended = _LIVE.match(after), _ENDED.match(after)
    if after and not live and not ended:
        return failed("bad-value", "`after` is not what an answer gave as `next`", "leave it out to begin")
    limit, who = count(args, "limit", LIMIT), reader(view, args)
    kind = str(args.get("kind") or "")
    found: list[dict[str, Any]] = []
    rest = ""
    if not ended:
        key = (-int(live[1]), live[2]) if live else (-(2**62), "")
        rest = _live(view, words, kind, key, limit, who, found)
    if not rest and not args.get("live"):
        start = int(ended[1]) if ended else view.state.seq + 1
        # an answer that is full goes on with the first of the ended ones
        rest = _ended(view, words, kind, start, limit, who, found) if len(found) < limit else f"s{start}"
    return {"schema": SCHEMA, "documents": found, "next": rest}


def _live(
    view: View, words: list[str], kind: str, after: tuple[int, str], limit: int, who: str,
    found: list[dict[str, Any]],
) -> str:  # fmt: skip
    docs = sorted(view.state.live(), key=_order)
    for doc in docs:
        if _order(doc) <= after or (kind and doc.kind != kind):
            continue
        if len(found) >= limit:
            last = found[-1]
            return f"l{last.pop('rev')}.{last['id']}"
        hit = _hit(doc, words)
        if hit is not None:
            if found:
                found[-1].pop("rev", None)
            found.append({**row(view.state, doc, who), "text": hit, "rev": doc.number("rev")})
    if found:
        found[-1].pop("rev", None)
    return ""


def _order(doc: Doc) -> tuple[int, str]:
    return -doc.number("rev"), doc.id


def _ended(
    view: View, words: list[str], kind: str, start: int, limit: int, who: str, found: list[dict[str, Any]]
) -> str:
    """Walk back from a step; a family is looked at where its last step was made."""
    reads = 0
    seq = start
    seen: set[str] = set()
    for commit in back_from(view, start, SCAN):
        root = place.root_id(commit.trailers.get("Hub-Document", ""))
        seq = commit.seq or 0
        if reads >= READS or len(found) >= limit:
            return f"s{seq + 1}"
        if not root or root in seen or not place.ID.match(root):
            continue
        seen.add(root)
        docs = list(_family(view, root))
        reads += 1 + len(docs)
        if any(doc.number("rev") >= start for doc in docs):
            continue  # an earlier page has it: its last step is younger than where this one began
        for doc in sorted(docs, key=_order):
            hit = None if kind and doc.kind != kind else _hit(doc, words)
            if hit is not None:
                found.append({**row(view.state, doc, who), "text": hit})
    return f"s{seq}" if seq > 1 and seq < start else ""


def _family(view: View, root: str) -> Iterator[Doc]:
    """What has ended of a family, through the ledger's long-lived process."""
    for name, _, folder in view.ledger.children(place.archive_folder(root)):
        id_ = place.stem(name)
        doc = None if folder or view.state.get(id_) is not None else get(view, id_)
        if doc is not None:
            yield doc


def _hit(doc: Doc, words: list[str]) -> str | None:
    """The text around the first word, where all of them are there; else None."""
    text = doc.document.render().decode("utf-8", "replace")
    folded = text.casefold()
    if not all(word in folded for word in words):
        return None
    body = doc.document.body
    at = body.casefold().find(words[0])
    if at < 0:
        body, at = text, folded.find(words[0])
    begin = max(0, at - _SNIPPET // 3)
    return " ".join(body[begin : begin + _SNIPPET].split())
