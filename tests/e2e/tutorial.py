"""Follow a tutorial of the README to the letter: its files are saved, its edits made, its commands run.

What the README shows as output must come, but for ids, hashes, times and process numbers. A line `…` stands
for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.sources import ROOT

PATIENCE = 15.0
ONCE = (
    "hubctl up", "hubctl init", "hubctl down", "hubctl agent add", "cd ", "mkdir ", "git init", "git add",
    "git commit", "git merge", "printf ", "git -C",
)  # fmt: skip
"""How commands begin that change something: they are run once."""
ACTIONS = re.compile(
    r"Save\s+as\s+`(?P<path>[^`]+)`:\n\n```markdown\n(?P<text>.*?)```"
    r"|In `(?P<edited>[^`]+)`,\s+change\s+`(?P<old>[^`]+)`\s+to\s+`(?P<new>[^`]+)`"
    r"(?:,\s+and\s+add\s+the\s+line\s+`(?P<more>[^`]+)`\s+below\s+it)?"
    r"|```console\n(?P<console>.*?)```",
    re.S,
)
TASK = re.compile(r"fix-the-login-redirect-[0-9a-z]+")


@dataclass
class Follower:
    """Somebody who reads the README and does what it says."""

    home: Path
    more: Mapping[str, str] = field(default_factory=dict)
    """What this reader has in the environment besides."""
    patience: float = PATIENCE
    task: str = ""
    cwd: str = ""

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "GIT_"))}
        path = f"{Path(sys.executable).parent}:{self.more.get('PATH', kept['PATH'])}"
        own = {"HOME": str(self.home), "PATH": path, "GIT_PAGER": "cat", "NO_COLOR": "1", "COLUMNS": "80"}
        return {**kept, **self.more, **own}

    def shell(self, command: str) -> str:
        """Run one line in a shell that remembers where it is."""
        done = subprocess.run(
            ["bash", "-c", f"{command}\nstatus=$?; pwd >{self.home}/.cwd; exit $status"],
            cwd=self.cwd or self.home, env=self.environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self.cwd = (self.home / ".cwd").read_text().strip()
        return done.stdout + done.stderr

    def mine(self, text: str) -> str:
        """The README's text with the id that this reader's task has."""
        return TASK.sub(self.task, text) if self.task else text

    def save(self, path: str, text: str) -> None:
        (Path(self.cwd) / self.mine(path)).write_text(self.mine(text))

    def edit(self, path: str, old: str, new: str) -> None:
        file = Path(self.cwd) / self.mine(path)
        deadline = time.monotonic() + self.patience
        while not (file.exists() and old in file.read_text()):
            assert time.monotonic() < deadline, f"{file} never said {old!r}"
            time.sleep(0.05)
        file.write_text(file.read_text().replace(old, new, 1))

    def see(self, command: str, expected: str) -> None:
        """Run a command until it shows what the README shows. What changes something is run once."""
        once = command.startswith(ONCE)
        deadline = time.monotonic() + self.patience
        while True:
            shown = self.shell(self.mine(command))
            found = TASK.search(shown)
            if found and not self.task:
                self.task = found[0]
            if matches(self.mine(expected), shown):
                return
            late = once or time.monotonic() >= deadline
            assert not late, f"$ {command}\n{shown}\n--- the README says\n{expected}"
            time.sleep(0.3)


def matches(expected: str, shown: str) -> bool:
    parts = [re.escape(plain(part).strip()) for part in re.split(r"(?m)^…$", expected)]
    return re.fullmatch(r"(?s)" + r".*?".join(parts), plain(shown).strip()) is not None


def plain(text: str) -> str:
    """Text without what differs between two honest runs."""
    text = re.sub(r"fix-the-login-r…rect-[0-9a-z]+", "TASK", text)
    text = TASK.sub("TASK", text)
    text = re.sub(r"/\S*/mail\b|~/mail\b", "MAIL", text)
    text = re.sub(r"\b[mbq]-[0-9a-z]{4,}\b", "ID", text)
    text = re.sub(r"\brun-[0-9a-z]{4,}\b", "RUN", text)
    text = re.sub(r"/\S*/shop\b|~/shop\b", "SHOP", text)
    text = re.sub(r"\b[0-9a-f]{7,40}\b", "HASH", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"process \d+", "process N", text)
    text = re.sub(r"\b(now|\d+[smh] ago)\b", "AGO", text)
    text = re.sub(r"(?<= )\d+(?:ms|[smh])\b", "SPAN", text)
    text = re.sub(r"\$\d+\.\d+", "COST", text)
    return re.sub(r"[ \t]+", " ", text)


def actions(text: str) -> Iterator[re.Match[str]]:
    yield from ACTIONS.finditer(text)


def commands(block: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def follow(reader: Follower, heading: str) -> int:
    """Do what a section of the README says, and return how many steps that were."""
    readme = (ROOT / "README.md").read_text()
    tutorial = readme.split(heading, 1)[1].split("\n## ", 1)[0]
    done = 0
    for action in actions(tutorial):
        if action["path"]:
            reader.save(action["path"], action["text"])
        elif action["edited"]:
            more = f"\n{action['more']}" if action["more"] else ""
            reader.edit(action["edited"], action["old"], action["new"] + more)
        else:
            for command, output in commands(action["console"]):
                reader.see(command, output)
        done += 1
    return done
