"""The hub's block: what a document's reader needs in order to act, written into the document itself.

Guarantee: whoever opens a live document in an inbox finds what it is, what came before, and what they may
do now, with exact paths and bytes.
Rule 1: pure: the same state gives the same text. Rule 2: text by others is quoted (see `quoting`), and cut
where the block would become too large to be read back.
"""

from __future__ import annotations

from hubd.core.block import planning, starting, working
from hubd.core.block.quoting import Page, View, fence, inline, plan_items, plan_lines
from hubd.core.block.starting import run_text
from hubd.core.effect import Doc
from hubd.core.model import Kind

MOST = 400_000
"""Characters of a block; the grammar reads blocks of at most 1 MiB."""
_QUOTED = (24_000, 2_000, 200, 40)


def render(view: View, doc: Doc) -> str | None:
    """Return the text between the markers, or None where a document has no block."""
    text: str | None = None
    for most in _QUOTED:
        text = _render(Page(view, most), doc)
        if text is None or len(text) <= MOST:
            return text
    return f"`{doc.id}` is too large to be shown here. {planning.boxes(doc)}"


def _render(page: Page, doc: Doc) -> str | None:
    match doc.kind:
        case Kind.TASK:
            return planning.task(page, doc)
        case Kind.ROUND:
            return planning.round_(page, doc)
        case Kind.AGENT:
            return planning.card(page, doc)
        case Kind.ASSIGNMENT:
            return working.assignment(page, doc)
        case Kind.HANDOFF:
            return working.handoff(page, doc)
        case Kind.QUESTION:
            return working.question(page, doc)
        case Kind.MESSAGE:
            return working.message(doc)
        case Kind.RUN:
            return starting.run(page, doc)
        case _:
            return None


__all__ = ["MOST", "Page", "View", "fence", "inline", "plan_items", "plan_lines", "render", "run_text"]
