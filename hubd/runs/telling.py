"""What people are told about agents that are not started.

Rule: once an episode: as long as the same document is held back for the same reason, nothing more is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hubd.core import policy
from hubd.core.document import document
from hubd.core.effect import Proposal

__all__ = ["held_back"]


def held_back(held: Iterable[policy.Held], told: set[str]) -> list[Proposal]:
    """Return messages about what a person, or hours, must change. `told`: what was said; it is kept up."""
    found: list[Proposal] = []
    episodes: set[str] = set()
    for one in held:
        if not one.lasting:
            continue
        key = _key(one)
        episodes.add(key)
        if key in told:
            continue
        told.add(key)
        about = ", ".join(f"`{id_}`" for id_ in one.on[:5]) or "nothing in particular"
        body = f"{one.message}.\n\nIt was to be started for {about}. {one.hint}.\n"
        header = {
            "kind": "message", "to": "operator", "subject": f"{one.agent} is not started: {one.code}",
            "dedupe_key": key,
        }  # fmt: skip
        data = document(header, body).render()
        found.append(Proposal("hub", "hub", "hub/held", data, "hub", one.code))
    told &= episodes
    return found


def _key(one: policy.Held) -> str:
    oldest = one.on[0] if one.on else ""
    return f"held-{hashlib.sha256(f'{one.agent} {one.code} {oldest}'.encode()).hexdigest()[:16]}"
