"""The stage of the demo: its processes, its clock, and the one place that prints.

Guarantee: every process started here has ended when the stage is left, however it is left.
Rule 1: all that happens arrives as a `Line` in one queue, in the order in which it was seen.
Rule 2: only the stage ends processes, and only those that it started.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

WIDTH = 80
GRACE = 10.0


class Failed(Exception):
    """The story did not go as the contract says."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was seen: what a process said, or a commit of the ledger."""

    source: str
    text: str
    document: str = ""
    kind: str = ""


def environment() -> dict[str, str]:
    """Return the surroundings of every process: nobody's own settings, and a page of 80 columns."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HUB_"))}
    return clean | {
        "COLUMNS": str(WIDTH),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PYTHONUNBUFFERED": "1",
    }


def program(name: str, module: str) -> tuple[str, ...]:
    """Return how to start one of our programs: as installed beside this Python, else as a module."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found:
        return (found,)
    return (sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main())")


class Stage:
    """Starts processes, collects what they say, tells it, and ends them."""

    def __init__(self, out: TextIO) -> None:
        self.lines: queue.Queue[Line] = queue.Queue()
        self.environment = environment()
        self.heard: dict[str, list[str]] = {}
        self._out = out
        self._begin = time.monotonic()
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._readers: list[threading.Thread] = []
        self._closing = threading.Event()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for name in reversed(list(self._running)):
            self.end(name)
        for reader in self._readers:
            reader.join(GRACE)

    # telling

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._begin

    def tell(self, who: str, text: str) -> None:
        """Print one step: when, who, what."""
        lead = f"{self.elapsed:5.2f}s  {who:<8} "
        indent = " " * len(lead)
        wrapped = textwrap.wrap(
            text, WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False
        )
        print("\n".join(wrapped), file=self._out, flush=True)

    def title(self, text: str) -> None:
        """Print a heading."""
        print(f"\n{text}\n{'-' * len(text)}", file=self._out, flush=True)

    def plain(self, text: str) -> None:
        """Print the answer of a program as it is."""
        print(text.rstrip("\n"), file=self._out, flush=True)

    # processes

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process; what it says arrives as lines under its name."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.environment, start_new_session=True,
        )  # fmt: skip
        self._running[name] = process
        self.heard[name] = []
        self._listen(name, process)

    def _listen(self, name: str, process: subprocess.Popen[str]) -> None:
        def read() -> None:
            assert process.stdout is not None
            with process.stdout as stream:
                for text in stream:
                    self.heard[name].append(text.rstrip("\n"))
                    self.lines.put(Line(name, text.rstrip("\n")))

        self._thread(read)

    def follow(self, mailbox: Path) -> None:
        """Report every commit of the ledger, as `git log` shows it, until the stage is left."""
        trailer = "%(trailers:key=Hub-{},valueonly,separator=)"
        shape = "%x09".join(("%s", trailer.format("Document"), trailer.format("Kind"), "%an"))

        def ask(*arguments: str) -> str:
            return self.run(("git", "-C", str(mailbox), *arguments)).stdout.strip()

        loose = mailbox / ".git" / "refs" / "hub" / "main"

        def look() -> str:
            # Reading the file is cheap enough to do all the time; git is asked where the ref was packed.
            try:
                return loose.read_text(encoding="ascii").strip()
            except FileNotFoundError:
                return ask("rev-parse", "refs/hub/main")

        seen = look()

        def read() -> None:
            nonlocal seen
            while not self._closing.wait(0.01):
                tip = look()
                if not tip or tip == seen:
                    continue
                log = ask("log", "--first-parent", "--reverse", f"--format={shape}", f"{seen}..{tip}")
                seen = tip
                for row in log.splitlines():
                    subject, document, kind, author = row.split("\t")
                    self.lines.put(Line("git log", f"{subject}  ({author})", document, kind))

        self._thread(read)

    def _thread(self, target: Callable[[], None]) -> None:
        reader = threading.Thread(target=target, daemon=True)
        reader.start()
        self._readers.append(reader)

    def dead(self) -> str | None:
        """Return the name of a process that has ended by itself, if there is one."""
        return next((name for name, process in self._running.items() if process.poll() is not None), None)

    def end(self, name: str) -> int:
        """Ask a process to end, wait, insist; return its exit code."""
        process = self._running.pop(name)
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return -9

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.environment,
            timeout=60, check=False,
        )  # fmt: skip
