"""The README's first tutorial, followed to the letter. The one with real clients is in tests/clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tutorial import Follower, follow

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    reader = Follower(tmp_path)
    yield reader
    if (tmp_path / "mail").exists():
        reader.shell(f"hubctl -C {tmp_path}/mail down")


def test_the_tutorial_works_to_the_letter(follower: Follower) -> None:
    done = follow(follower, "## Five minutes with `cat`, an editor and `git log`")
    assert done >= 12, "the tutorial has lost its steps, or this test no longer sees them"
