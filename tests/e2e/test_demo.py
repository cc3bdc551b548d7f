"""The demo is the whole story, played with the real programs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hubd.demo import story
from tests.house.sources import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


@pytest.mark.slow
def test_the_whole_story_comes_out_as_it_must() -> None:
    done = subprocess.run((sys.executable, "-m", "hubd.demo"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every check held" in done.stdout
    assert "awaiting_review -> changes_requested" in done.stdout
    told = done.stdout.partition("\nhubctl log\n")[0]
    assert not [line for line in told.splitlines() if len(line) > 80]


def test_a_story_that_cannot_begin_is_an_error_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(story, "DELAY", ("no_such_line: 1", ""))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert story.main([]) == 1
    assert "no_such_line" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
