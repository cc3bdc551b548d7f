"""Turn a decided step into the commit that records it.

Rule: trailers are made from validated values only; anything else is percent-encoded first.
"""

from __future__ import annotations

from datetime import UTC
from urllib.parse import quote

from hubd.core import place
from hubd.core.effect import Put as CorePut
from hubd.core.effect import Step
from hubd.core.secret import quarantined_as
from hubd.core.state import State
from hubd.core.time import Now, format_now
from hubd.ledger import Commit, Drop, Put, blob_id


def cause(step: Step) -> bytes:
    """Return the bytes kept as this commit's proposal.

    A refused proposal that is too large, or that looks as if it holds a secret, is named by its hash alone.
    """
    data = step.proposal.data or b""
    name = quarantined_as(data) if step.refusal is not None else ""
    return f"quarantined: sha256 {name}\n".encode() if name else data


def commit_of(step: Step, state: State, now: Now) -> Commit:
    """Return the commit of a step. `state` is the one it was decided on."""
    transition, proposal = step.transition, step.proposal
    data = cause(step)
    before, after = transition.before or "new", transition.after
    trailers = [
        ("Hub-Seq", str(step.seq)),
        ("Hub-Host", state.host),
        ("Hub-Document", transition.document),
        ("Hub-Kind", transition.kind.value),
        ("Hub-Transition", f"{transition.do}: {before} -> {after}"),
        ("Hub-Actor", transition.actor),
        ("Hub-Identity", proposal.identity),
        ("Hub-Source", quote(proposal.path, safe="/.-_~", errors="surrogateescape")),
        ("Hub-Cause", blob_id(data)),
        ("Hub-Now", format_now(now)),
    ]
    if step.refusal is not None:
        trailers.append(("Hub-Refused", step.refusal.code))
    if step.observed:
        trailers.append(("Hub-Observed", " ".join(step.observed.split())[:200]))
    if transition.upkeep:
        trailers.append(("Hub-Class", "upkeep"))
    changes: list[Put | Drop] = [Put(place.PROPOSAL, data)]
    for change in step.changes:
        changes.append(Put(change.path, change.data) if isinstance(change, CorePut) else Drop(change.path))
    name, email = author(state, transition.actor)
    return Commit(
        f"{transition.document}: {before} -> {after}", tuple(trailers), name, email,
        now.wall.astimezone(UTC), tuple(changes),
    )  # fmt: skip


def author(state: State, actor: str) -> tuple[str, str]:
    """Return the name and address that git shows for an actor."""
    card = state.card(actor)
    email = card.text("email") if card is not None else ""
    name = "hubd" if actor == "hub" else actor
    return name, email or f"{name}@{state.host}"
