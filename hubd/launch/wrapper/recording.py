"""What is kept of a run's output: its logs, and for a terminal a recording that can be played again.

Guarantee: all files of a run together stay within its cap, and a full disk ends the keeping, not the agent.

    process, container   stdout.log (three quarters of the cap)   stderr.log (one quarter)
    terminal             terminal.log (one quarter)               terminal.cast (three quarters)

`terminal.cast` is asciicast v2: a line of JSON about the terminal, then one for each event, `[seconds, "o",
text]`, and `"r"` for a new size. What was typed is not in it. Where the middle is missing stands a mark,
`"m"`.
"""

from __future__ import annotations

import codecs
import json
import time

from hubd.launch.capping import Capped
from hubd.launch.spec import Spec
from hubd.launch.wrapper.runtime import Stream

__all__ = ["Recording"]

# A line of the recording: short enough that a cut finds its end, however many bytes need six in JSON.
_PIECE = 8192


class Recording:
    """The logs of one run."""

    def __init__(self, spec: Spec, folder: int) -> None:
        self.total = 0
        self.trouble = ""
        self._began = time.monotonic()
        self._cast: Capped | None = None
        quarter = spec.cap // 4
        if spec.runtime == "pty":
            shares = {"terminal": quarter}
            self._cast = Capped(folder, "terminal.cast", spec.cap - quarter, self._mark)
            self._text = codecs.getincrementaldecoder("utf-8")("replace")
            self._keep_line(self._header(spec))
        else:
            shares = {"stdout": spec.cap - quarter, "stderr": quarter}
        self._logs = {stream: Capped(folder, f"{stream}.log", share) for stream, share in shares.items()}

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep it."""
        self.total += len(data)
        if self.trouble:
            return
        try:
            self._logs[stream].write(data)
            if stream == "terminal":
                for start in range(0, len(data), _PIECE):
                    if text := self._text.decode(data[start : start + _PIECE]):
                        self._keep("o", text)
        except OSError as error:
            self.trouble = f"its output was not kept from byte {self.total} on: {error.strerror}"

    def resized(self, columns: int, rows: int) -> None:
        """Keep that the terminal has this size from now on."""
        if not self.trouble:
            try:
                self._keep("r", f"{columns}x{rows}")
            except OSError as error:
                self.trouble = f"its output was not kept from byte {self.total} on: {error.strerror}"

    def close(self) -> None:
        """Keep no more."""
        for log in (*self._logs.values(), self._cast):
            if log is not None:
                log.close()

    def _header(self, spec: Spec) -> str:
        size = {"width": spec.columns, "height": spec.rows}
        term = {"TERM": spec.env.get("TERM", "xterm-256color")}
        return json.dumps({"version": 2, **size, "timestamp": int(time.time()), "env": term})

    def _mark(self, start: int, end: int) -> bytes:
        text = f"hubd: bytes {start} to {end} of this file are missing"
        return self._event("m", text).encode() + b"\n"

    def _event(self, kind: str, text: str) -> str:
        return json.dumps([round(time.monotonic() - self._began, 6), kind, text], ensure_ascii=False)

    def _keep(self, kind: str, text: str) -> None:
        self._keep_line(self._event(kind, text))

    def _keep_line(self, line: str) -> None:
        if self._cast is not None:
            self._cast.write(line.encode("utf-8", "replace") + b"\n")
