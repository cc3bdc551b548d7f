"""The README's page on Claude Code and Codex, followed to the letter: real programs, a stub model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.desk import AUTHOR, BIN, needs
from tests.e2e.tutorial import Follower, follow
from tests.models import Act, Script, Seen, Served, serving, works

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]

FIX = {
    "login.py": "def after_login(next=None):\n    return next or '/home'\n",
    "test_login.py": (
        "import unittest\n\nfrom login import after_login\n\n\n"
        "class Login(unittest.TestCase):\n"
        "    def test_without_next(self):\n        self.assertEqual(after_login(), '/home')\n"
    ),
}
REVIEW = {"REVIEW.md": "The default is right; the test covers it.\n"}


def model() -> Script:
    """Return a model that fixes as one agent, and reviews as the other."""
    fixes, reviews = works(FIX, "python3 -m unittest -q"), works(REVIEW, "python3 -m unittest -q")

    def script(seen: Seen) -> Act:
        return reviews(seen) if "REVIEW.md" in seen.prompt else fixes(seen)

    return script


def logged_in(home: Path, served: Served) -> None:
    """Write what a person's own clients read when they are logged in: here it leads to the stub."""
    claude = {k: v for k, v in served.claude(home / ".claude").items() if k != "CLAUDE_CONFIG_DIR"}
    (home / ".claude/settings.json").write_text(json.dumps({"env": claude}))
    served.codex(home / ".codex")
    config = home / ".codex/config.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("env_key")]
    config.write_text("\n".join([*lines, ""]))


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    needs("claude", "codex")
    with serving(model()) as served:
        logged_in(tmp_path, served)
        (tmp_path / "tmp").mkdir()  # Codex keeps its sandbox out of a home that lies below it
        more = {"PATH": f"{BIN}:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp")}
        reader = Follower(tmp_path, {**AUTHOR, **more}, patience=60.0)
        yield reader
        if (tmp_path / "mail").exists():
            reader.shell(f"hubctl -C {tmp_path}/mail down")


def test_the_page_works_to_the_letter(follower: Follower) -> None:
    done = follow(follower, "## Run Claude Code and Codex on one repository")
    assert done >= 8, "the page has lost its steps, or this test no longer sees them"
