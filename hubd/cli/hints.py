"""Which command carries out which verb: what a person may type next.

Rule: the verbs come from the read model (`next`); here they are only spelled.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["commands"]

_HOW: Mapping[str, str] = {
    "plan": 'round submit {id} --assign AGENT "goal"',
    "claim": "claim {id}",
    "complete": 'complete {id} --summary "what was done"',
    "progress": 'progress {id} "how far it is"',
    "ask": 'ask "what?" --assignment {id}',
    "release": "release {id}",
    "fail": 'fail {id} "why"',
    "approve": "approve {id}",
    "reject": 'reject {id} "why"',
    "review": "review {id} --verdict approved",
    "answer": 'answer {id} "text"',
    "ack": "ack {id}",
    "recall": "recall {id}",
    "retry": "retry {id}",
    "reassign": "reassign {id} --to NAME",
    "cancel": "cancel {id}",
    "close": "task close {id}",
    "renew": "lease renew {key}",
    "unlease": "lease release {key}",
    "stop": "stop {id}",
    "amend": "",  # by editing the file
}
_USUAL = ("recall", "retry", "reassign", "cancel", "close", "amend")  # rarely what is wanted: named last


def commands(row: Mapping[str, Any], most: int = 3) -> list[str]:
    """The commands for a document's `next`, the likely ones first."""
    verbs: Iterable[str] = sorted(
        row["next"], key=lambda verb: (verb in _USUAL, list(_HOW).index(verb) if verb in _HOW else 99)
    )
    found = []
    for verb in verbs:
        how = _HOW.get(verb, "")
        if how:
            found.append(
                "hubctl " + how.format(id=row["id"], key=shlex.quote(str(row.get("title", row["id"]))))
            )
    return found[:most]
