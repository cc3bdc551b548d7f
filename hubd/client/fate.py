"""What became of a file in an outbox that somebody else judged.

Guarantee: gone from the outbox and not in `refused/` is accepted; nothing else is needed to know that much.
The ledger, where it can be read, says the rest: as which document, in which commit, refused by which rule.
"""

from __future__ import annotations

import os
from typing import Any

from hubd.core import place
from hubd.layout import Layout

__all__ = ["fate", "refused", "said"]

_COMMITS = 2000  # in which the file's own commit is looked for


def fate(layout: Layout, agent: str, name: str, data: bytes) -> dict[str, Any] | None:
    """The outcome, as the hub itself would have told it; None as long as the file lies there."""
    path = place.outbox(agent, name)
    if os.path.lexists(layout.path(path)):
        return None
    from hubd.ledger import LedgerError

    try:
        found = _from_ledger(layout, path)
    except (LedgerError, OSError):
        found = None  # a sandbox that may not read .git: the folders have to do
    return found or _from_folders(layout, agent, name, data)


def _from_ledger(layout: Layout, path: str) -> dict[str, Any] | None:
    from hubd.query.history import of_source
    from hubd.query.lookup import get
    from hubd.query.reading import reading

    with reading(layout) as view:
        found = of_source(view.ledger.log(), path, _COMMITS)
        if found is None:
            return None
        doc = get(view, found["document"])
        if found["refused"]:
            message, hint = said(doc.document.body if doc is not None else "")
            return refused(found["refused"], message, hint, found["document"])
        return {
            "schema": 1, "ok": True, "id": found["document"], "kind": found["kind"], "state": found["to"],
            "path": doc.paths[0] if doc is not None and doc.paths else "", "commit": found["commit"],
        }  # fmt: skip


def said(bounce: str) -> tuple[str, str]:
    """What a bounce says is wrong, and what is to be done: its second paragraph, and the one that says so."""
    parts = bounce.split("\n\n")
    hints = [p.removeprefix("What to do: ") for p in parts if p.startswith("What to do: ")]
    message = parts[1].strip() if len(parts) > 1 else "it was refused"
    return message.rstrip("."), hints[0].strip().rstrip(".") if hints else ""


def _from_folders(layout: Layout, agent: str, name: str, data: bytes) -> dict[str, Any]:
    folder = layout.refused(agent)
    stem = place.stem(name)
    try:
        names = [n for n in os.listdir(folder) if n.startswith(stem)]
        kept = any((folder / n).read_bytes() == data for n in names)
    except OSError:
        kept = False
    if kept:
        return refused("refused", f"{name} was refused", f"read the bounce in agents/{agent}/inbox")
    return {"schema": 1, "ok": True, "id": "", "kind": "", "state": "", "path": "", "commit": ""}


def refused(code: str, message: str, hint: str, bounce: str = "") -> dict[str, Any]:
    """A refusal, as the hub tells it."""
    return {"schema": 1, "ok": False, "code": code, "message": message, "hint": hint, "bounce": bounce}
