"""Find a document by what a person typed, and show it.

An id is given by any prefix that fits one document: `fix` or `fix-login-7f3k`, and `fix.r1` for a round of
it. Live documents go before archived ones, and where a verb is known, those on which it is possible before
others.

Rule: an exact id costs the same in an archive of any size. To search the archive by a prefix costs a walk of
its folders: it is done only when asked for (`archive`), and a daemon is not asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hubd.core import place
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.transition import is_final
from hubd.query.rows import SCHEMA, View, failed, path_for, plain, reached, reader, row, title, verbs

MOST_NAMED = 12


def find(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """The one document that a prefix means, or the list of those it could mean.

    `kinds`: only documents of these kinds; a prefix may then also name what they belong to. `do`: the verb
    that the reader is about to use.
    """
    prefix = str(args.get("prefix", "")).removesuffix(".md").rpartition("/")[2]
    if not prefix:
        return failed("unknown-id", "no id was given", "`hubctl status` shows what there is")
    kinds = frozenset(str(k) for k in args.get("kinds") or ())
    who = reader(view, args)
    exact = get(view, prefix)
    if exact is not None and (not kinds or exact.kind in kinds):
        return _found(exact, who)
    docs = [d for d in _candidates(view, prefix, bool(kinds)) if not kinds or d.kind in kinds]
    if not docs and args.get("archive"):
        docs = [d for d in _archived(view, prefix) if not kinds or d.kind in kinds]
    for narrow in (
        [d for d in docs if args.get("do") in verbs(view.state, d, who)] if args.get("do") else [],
        [d for d in docs if not is_final(d.kind, d.state)],
        docs,
    ):
        if len(narrow) == 1:
            return _found(narrow[0], who)
        if narrow:
            return _ambiguous(view, prefix, narrow, who)
    return _unknown(prefix, kinds, exact)


def _unknown(prefix: str, kinds: frozenset[str], exact: Doc | None) -> dict[str, Any]:
    if exact is not None:
        wanted = " or ".join(sorted(kinds))
        return failed(
            "wrong-kind", f"{exact.id} is a {exact.kind}, not a {wanted}", f"`hubctl show {exact.id}`"
        )
    what = " or ".join(sorted(kinds)) or "document"
    return failed(
        "unknown-id", f"there is no {what} `{prefix}`", "`hubctl status` and `hubctl log` show what there is"
    )


def _ambiguous(view: View, prefix: str, docs: list[Doc], who: str) -> dict[str, Any]:
    docs = sorted(docs, key=lambda d: d.id)
    shown = ", ".join(d.id for d in docs[:4]) + (", …" if len(docs) > 4 else "")
    return failed(
        "ambiguous-id", f"`{prefix}` could be {len(docs)} documents", f"write more of the id: {shown}",
        candidates=[row(view.state, d, who) for d in docs[:MOST_NAMED]],
    )  # fmt: skip


def _found(doc: Doc, who: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "ok": True,
        "id": doc.id,
        "kind": doc.kind.value,
        "state": doc.state,
        "path": path_for(doc, who),
    }


def get(view: View, id_: str) -> Doc | None:
    """The document with this very id, live or archived; a card by `card.NAME`; a lease also by its key."""
    state = view.state
    known = state.get(id_) or state.lease(id_)
    if known is None and id_.startswith("card."):
        known = state.card(id_[len("card.") :])
    if known is not None:
        return known
    if not place.ID.match(id_):
        return None
    return _read(view, place.archive(id_))


def _read(view: View, path: str) -> Doc | None:
    from hubd.loading import read_document

    data = view.ledger.read(path)
    return read_document(path, data) if data is not None else None


def fits(id_: str, prefix: str, below: bool = False) -> bool:
    """Whether a prefix means an id: each part begins as typed. `below`: also what belongs to such an id."""
    if not id_.startswith(prefix.partition(".")[0]):
        return False
    parts, typed = id_.split("."), prefix.split(".")
    if len(parts) != len(typed) and not (below and len(parts) > len(typed)):
        return False
    return all(part.startswith(start) for part, start in zip(parts, typed, strict=False))


def _sharper(docs: list[Doc], prefix: str) -> list[Doc]:
    """Where `r1` was typed, `r1` goes before `r10`."""
    typed = prefix.split(".")
    same = [d for d in docs if d.id.split(".")[1 : len(typed)] == typed[1:]]
    whole = [d for d in same if d.id.split(".")[0] == typed[0]]
    return whole or same or docs


def _candidates(view: View, prefix: str, below: bool) -> list[Doc]:
    return _sharper([d for d in view.state.docs.values() if fits(d.id, prefix, below)], prefix)


def _archived(view: View, prefix: str) -> list[Doc]:
    root = prefix.partition(".")[0]
    roots = [root] if "." in prefix else []
    ids: list[str] = []
    for name in roots or sorted(_roots(view, root)):
        ids += [i for i in _family_ids(view, name) if fits(i, prefix)]
    if "." in prefix and not ids:
        for name in sorted(_roots(view, root)):
            ids += [i for i in _family_ids(view, name) if fits(i, prefix)]
    found = (_read(view, place.archive(i)) for i in ids[:200])
    return _sharper([d for d in found if d is not None], prefix)


def _family_ids(view: View, root: str) -> list[str]:
    names = (name for name, _, folder in view.ledger.children(place.archive_folder(root)) if not folder)
    return [place.stem(name) for name in names if name.endswith(".md")]


def _roots(view: View, prefix: str) -> Iterable[str]:
    """The families in the archive that begin like this: a walk of its two levels of folders."""
    for first, _, _ in view.ledger.children("archive"):
        for second, _, _ in view.ledger.children(f"archive/{first}"):
            for name, _, _ in view.ledger.children(f"archive/{first}/{second}"):
                if name.startswith(prefix):
                    yield name


def show(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """One document: its header, what its author wrote, the hub's block, and what may be done with it."""
    found = find(view, {**args, "prefix": args.get("id", "")})
    if not found["ok"]:
        return found
    doc = get(view, found["id"])
    if doc is None:  # it ended between the two looks; a reader beside a hub can see that
        return failed("unknown-id", f"there is no document `{found['id']}`", "ask again")
    return shown(view, doc, reader(view, args))


def shown(view: View, doc: Doc, who: str) -> dict[str, Any]:
    """A document as `show` gives it."""
    return {
        "schema": SCHEMA,
        "id": doc.id,
        "kind": doc.kind.value,
        "state": doc.state,
        "title": title(view.state, doc),
        "header": {key: plain(value) for key, value in doc.document.header.items()},
        "body": doc.document.body,
        "block": doc.document.block or "",
        "path": path_for(doc, who),
        "presented": doc.text("presented"),
        "reached": reached(doc),
        "next": verbs(view.state, doc, who),
    }


def family(view: View, args: Mapping[str, Any]) -> dict[str, Any]:
    """A task or round in full, with a row for each document that belongs to it."""
    answer = show(view, args)
    if "header" not in answer:
        return answer
    id_, who = str(answer["id"]), reader(view, args)
    known = {d.id: d for d in _ended(view, id_)}
    known.update({d.id: d for d in view.state.docs.values() if d.id.startswith(f"{id_}.")})
    ordered = sorted(known.values(), key=lambda d: [_count(part) for part in d.id.split(".")])
    return {**answer, "documents": [_member(view, d, who) for d in ordered]}


def _ended(view: View, id_: str) -> list[Doc]:
    from hubd.loading import read_document

    found = (read_document(path, data) for path, data in view.ledger.load([place.archive_folder(id_)]))
    return [d for d in found if d is not None and d.id.startswith(f"{id_}.")]


def _member(view: View, doc: Doc, who: str) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if doc.kind is Kind.ASSIGNMENT:
        extra = {"to": doc.text("to"), "lease": doc.text("lease"), "note": doc.text("note")}
    elif doc.kind is Kind.HANDOFF:
        extra = {"outcome": doc.text("outcome"), "branch": doc.text("branch"), "commit": doc.text("commit")}
    elif doc.kind is Kind.ROUND:
        extra = {"verdict": doc.text("verdict"), "note": doc.text("note"), "plan": doc.text("plan")}
    return {**row(view.state, doc, who), **extra}


def _count(part: str) -> tuple[str, int]:
    head = part.rstrip("0123456789")
    return head, int(part[len(head) :] or 0)
