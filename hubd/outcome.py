"""What became of one proposal, as the front ends tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accepted (`ok`), refused (`code`), or nothing to do (`ok`, no `commit`)."""

    ok: bool
    id: str = ""
    kind: str = ""
    state: str = ""
    path: str = ""
    commit: str = ""
    seq: int = 0
    code: str = ""
    message: str = ""
    hint: str = ""
    bounce: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the answer's JSON form, schema 1."""
        accepted, refused = ("id", "kind", "state", "path", "commit"), ("code", "message", "hint", "bounce")
        keys: tuple[str, ...] = accepted if self.ok else refused
        return {"schema": SCHEMA, "ok": self.ok, **{key: getattr(self, key) for key in keys}}


def from_json(data: dict[str, Any]) -> Outcome:
    """Return the outcome that a daemon told."""
    known = {key: data[key] for key in Outcome.__slots__ if key in data and key != "schema"}
    return Outcome(**known)
