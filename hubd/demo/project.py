"""The small real git project that the demo's agents work on: a login page with a bug, and its test."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

FILES = {
    "app/__init__.py": "",
    "app/login.py": '''"""Where people go after they have logged in."""


def landing(next_page):
    """Return the page to show after login."""
    return next_page or "/404"
''',
    "tests/__init__.py": "",
    "tests/test_login.py": '''import unittest

from app.login import landing


class Login(unittest.TestCase):
    def test_goes_to_the_page_that_was_asked_for(self):
        self.assertEqual(landing("/orders"), "/orders")
''',
}


def git(root: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run git in the project and return what it says."""
    command = ("git", "-C", str(root), *arguments)
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(environment))
    return done.stdout.strip()


def make(root: Path, environment: Mapping[str, str]) -> str:
    """Make the project with one commit on `main`, and return that commit."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(root, environment, "init", "-q", "-b", "main")
    git(root, environment, "add", "-A")
    person = ("-c", "user.name=operator", "-c", "user.email=operator@demo.invalid")
    git(root, environment, *person, "commit", "-q", "-m", "A login page")
    return git(root, environment, "rev-parse", "HEAD")
