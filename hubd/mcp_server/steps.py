"""Which file somebody edits or drops to do what they may do, and the bytes to write in it.

Guarantee: an edit names whole lines as the hub wrote them (the first such, if the author's text has them
too); a drop is a whole document.
Words in capitals and `…` are the reader's to fill in.
Rule: which verbs are possible comes from the read model (`next`); here they are only spelled, as files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubd.core.scalar import Value, dump_line

__all__ = ["needs_header", "steps"]

Step = dict[str, str]
_UNDER_LEASE = frozenset({"complete", "progress", "release", "ask", "renew", "unlease"})
_EDITS: Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]] = {
    ("claim", "assignment"): (("claim", "\nstate: pending\n", "\nstate: claimed\nworker: YOUR-WORD\n"),),
    ("approve", "round"): (("approve", "- [ ] approve", "- [x] approve"),),
    ("reject", "round"): (
        ("reject", "- [ ] reject (say why below)\n\nNote:", "- [x] reject (say why below)\n\nNote: WHY"),
    ),
    ("review", "round"): (
        ("review: approved", "- [ ] approved", "- [x] approved"),
        (
            "review: changes_requested",
            "- [ ] changes_requested (say what below)\n\nNote:",
            "- [x] changes_requested (say what below)\n\nNote: WHAT",
        ),
    ),
    ("ack", "message"): (("ack", "\nstate: unread\n", "\nstate: read\n"),),
    ("ack", "bounce"): (("ack", "\nstate: unread\n", "\nstate: read\n"),),
    ("answer", "question"): (("answer", "\n\nAnswer:", "\n\nAnswer: TEXT"),),
}
_EDITS = {**_EDITS, **{(do, "agent"): _EDITS[do, "round"] for do in ("approve", "reject")}}
_LATER = ("recall", "retry", "reassign", "cancel", "close")  # rarely what is wanted: named last
_MORE: Mapping[str, Mapping[str, Value]] = {
    "progress": {"note": "HOW FAR IT IS"},
    "fail": {"note": "WHY"},
    "reject": {"note": "WHY"},
    "reassign": {"to": "NAME"},
    "answer": {"answer": "TEXT"},
    "review": {"verdict": "approved"},
}


def needs_header(row: Mapping[str, Any]) -> bool:
    """Whether the steps of a row name its lease, which is in its header."""
    return row["kind"] == "assignment" and bool(_UNDER_LEASE & set(row["next"]))


def steps(row: Mapping[str, Any], who: str, header: Mapping[str, Any] | None = None) -> list[Step]:
    """What `who` may do with a document now, the likely first."""
    lease = str((header or {}).get("lease", "")) or "LEASE"
    verbs = sorted((v for v in row["next"] if v != "amend"), key=lambda v: v in _LATER)
    return [step for verb in verbs for step in _step(verb, row, who, lease)]


def _step(verb: str, row: Mapping[str, Any], who: str, lease: str) -> list[Step]:
    id_, mine = str(row["id"]), str(row["path"]).startswith(f"agents/{who}/")
    edits = _EDITS.get((verb, str(row["kind"])), ()) if mine else ()
    if edits:
        return [{"do": do, "edit": str(row["path"]), "replace": old, "with": new} for do, old, new in edits]
    outbox = f"agents/{who}/outbox"
    if verb == "plan":
        plan = (
            f"---\nkind: round\n{dump_line('task', id_)}\nassignments:\n"
            "  - to: NAME\n    goal: WHAT IS TO BE DONE\n"
            "  - to: any:review\n    goal: Review it\n    after: [1]\n---\nWhy this split.\n"
        )
        return [{"do": verb, "drop": f"{outbox}/plan-{id_}.md", "write": plan}]
    if verb == "complete":
        fields: Mapping[str, Value] = {
            "kind": "handoff", "assignment": id_, "lease": lease, "outcome": "done", "summary": "ONE LINE",
            "branch": "BRANCH", "commit": "0123abc",
        }  # fmt: skip
        return [_drop(verb, f"{outbox}/handoff-{id_}.md", fields, "Longer notes.\n")]
    if verb == "ask":
        fields = {
            "kind": "question", "to": "owner", "title": "WHAT MUST I KNOW?", "assignment": id_,
            "lease": lease, "choices": ("ONE", "OTHER"),
        }  # fmt: skip
        return [_drop(verb, f"{outbox}/question-{id_}.md", fields, "What I know, why I ask.\n")]
    on = str(row["title"]) if row["kind"] == "lease" else id_
    under = {"lease": lease} if verb in _UNDER_LEASE else {}
    fields = {"kind": "request", "do": verb, "on": on, **under, **_MORE.get(verb, {})}
    name = "lease" if row["kind"] == "lease" else id_
    return [_drop(verb, f"{outbox}/{verb}-{name}.md", fields)]


def _drop(do: str, path: str, fields: Mapping[str, Value], body: str = "") -> Step:
    lines = "\n".join(dump_line(key, value) for key, value in fields.items())
    return {"do": do, "drop": path, "write": f"---\n{lines}\n---\n{body}"}
