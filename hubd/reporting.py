"""What the daemon says while it works: a line for people, or an object for machines."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from hubd.core.effect import Step
from hubd.core.naming import shown


class Report:
    """Writes the log. `form` is `text` or `json`."""

    def __init__(self, form: str = "text", out: TextIO | None = None) -> None:
        self._json = form == "json"
        self._out = out if out is not None else sys.stderr

    def say(self, level: str, text: str, **fields: str | int) -> None:
        """Write one event."""
        now = datetime.now(UTC)
        if self._json:
            event = {
                "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "level": level,
                "message": text,
                **fields,
            }
            line = json.dumps(event)
        else:
            mark = "" if level == "info" else f"{level}: "
            line = f"{now.astimezone():%H:%M:%S} {mark}" + "\n".join(map(shown, text.split("\n")))
        print(line, file=self._out, flush=True)

    def step(self, step: Step, commit: str) -> None:
        """Write one transition."""
        t = step.transition
        fields: dict[str, str | int] = {
            "seq": step.seq, "commit": commit, "document": t.document, "kind": t.kind.value, "do": t.do,
            "from": t.before, "to": t.after, "actor": t.actor,
        }  # fmt: skip
        if step.refusal is not None:
            about = f"{shown(step.proposal.path)} refused: {step.refusal.code}: {step.refusal.message}"
            self.say("warning", about, code=step.refusal.code, bounce=step.bounce, **fields)
        else:
            self.say(
                "info", f"{t.document}: {t.before or 'new'} -> {t.after} ({t.do} by {t.actor})", **fields
            )
