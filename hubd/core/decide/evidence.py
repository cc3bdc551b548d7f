"""Evidence: what the hub found of the work that a handoff names.

Rule: a handoff reports, git knows. Looking changes nothing of what was handed off: it adds the hub's lines,
and shows the round to its reviewer again.
"""

from __future__ import annotations

from hubd.core.decide.request import Request
from hubd.core.document import Value
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.observed import RESULTS, told
from hubd.core.place import parent_id
from hubd.core.time import format_wall
from hubd.core.work import Work


def check(work: Work, doc: Doc, request: Request) -> Refusal | Nothing | None:
    """Record what was found; the same as before is nothing new."""
    flaw = work.check(doc, "check", "submitted", request.actor)
    if flaw is not None:
        return flaw
    result = request.fields.get("result")
    found = told("check", result) if not isinstance(result, str | tuple) and result is not None else {}
    if "evidence" not in found:
        return Refusal("bad-value", f"nothing is said of the work of {doc.id}", document=doc.id)
    names = RESULTS["check"][1]
    if doc.text("checked") and all(doc.document.get(name) == found.get(name) for name in names):
        return Nothing(f"{doc.id} is as it was found before", doc.id)
    lines: dict[str, Value | None] = {name: found.get(name) for name in names}
    work.move(doc, "submitted", "check", "hub", None, **lines, checked=format_wall(work.now.wall))
    round_ = work.get(parent_id(parent_id(doc.id)))
    if round_ is not None and round_.state == "awaiting_review":
        work.move(round_, "awaiting_review", "refresh")
    return None
