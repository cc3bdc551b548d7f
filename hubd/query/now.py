"""NOW.md: what waits for whom, for whoever opens the mailbox with nothing but an editor.

Guarantee: a function of the state alone, so that the same state gives the same bytes.
Rule: it is the hub's page, outside the ledger; what somebody writes into it means nothing and is overwritten.
"""

from __future__ import annotations

import os
from contextlib import suppress

from hubd.core.block import inline
from hubd.core.effect import Doc
from hubd.query.overview import asking
from hubd.query.rows import View, path_for, title

MOST = 200
"""Lines; a page longer than that is not read."""


def now_text(view: View) -> str:
    """The page: people first, then agents; within each the oldest first."""
    state = view.state
    waits: dict[str, list[Doc]] = {}
    for name, doc in asking(view):
        waits.setdefault(name, []).append(doc)
    parts = [
        f"# What waits for whom\n\nWritten by hubd after transition {state.seq}. Read it; to act, open the "
        "document named, or use `hubctl next`.\n"
    ]
    left = MOST
    for name in sorted(waits, key=lambda n: (not state.is_person(n), n)):
        shown = waits[name][:left]
        left -= len(shown)
        if not shown:
            continue
        kind = " (a person)" if state.is_person(name) else ""
        lines = [_line(view, doc, name) for doc in shown]
        if len(shown) < len(waits[name]):
            lines.append(f"- and {len(waits[name]) - len(shown)} more in `agents/{name}/inbox/`")
        parts.append(f"## {name}{kind}: {len(waits[name])}\n\n" + "\n".join(lines) + "\n")
    if not waits:
        parts.append("Nothing waits for anybody.\n")
    return "\n".join(parts)


def _line(view: View, doc: Doc, name: str) -> str:
    since = doc.text("created").replace("T", " ").removesuffix("Z")
    about = inline(title(view.state, doc), 120)
    return f"- [{doc.id}]({path_for(doc, name)}) {doc.kind}, {doc.state}: {about} (since {since} UTC)"


def write_now(view: View) -> bool:
    """Put the page into the mailbox where it differs. False: it was current already."""
    path, data = view.layout.now, now_text(view).encode()
    with suppress(OSError):
        if not path.is_symlink() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    # Renamed over whatever lies there, a link included: nothing is ever written through it.
    aside = view.layout.tmp / f"NOW.md.{os.getpid()}"
    aside.write_bytes(data)
    os.replace(aside, path)
    return True
