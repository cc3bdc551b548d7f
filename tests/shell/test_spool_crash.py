"""A hub that is killed between any two renames, and the one that starts after it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hubd.spool import Displaced, Spool
from tests.shell.test_spool import ONE, TWO, X, fresh, lies

CRASHING = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from hubd.spool import Spool
    root, point, verb = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    spool = Spool(root, crash=lambda at: os._exit(9) if at == point else None)
    if verb == "deliver":
        spool.deliver("agents/ada/inbox/x.md", b"two, longer\\n", expected=b"one\\n")
    elif verb == "refuse":
        spool.refuse("agents/ada/outbox/x.md", "agents/ada/refused", "x.md", b"bad")
    else:
        getattr(spool, verb)("agents/ada/inbox/x.md", b"one\\n")
    """
)


def crash(root: Path, point: str, verb: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", CRASHING, str(root), point, verb], cwd=Path.cwd(), check=False
    )
    assert found.returncode == 9, f"{point} was not passed"


@pytest.mark.parametrize("found", [ONE, b"theirs"])
@pytest.mark.parametrize("point", ["before", "written", "aside", "placed", "after"])
def test_a_delivery_that_was_killed_is_finished_by_doing_it_again(
    tmp_path: Path, point: str, found: bytes
) -> None:
    root = fresh(tmp_path)
    (root / X).write_bytes(found)
    crash(root, f"deliver.{point}", "deliver")
    assert (root / X).read_bytes() in (found, TWO)
    with Spool(root) as spool:
        spool.clear()
        left = spool.leftovers()
        assert all(displaced.path == X for displaced in left)
        again = spool.deliver(X, TWO, expected=ONE)
        assert lies(spool) == TWO
        kept = [displaced.data for displaced in (*left, again) if isinstance(displaced, Displaced)]
        # The hub's own bytes may lie there too; somebody else's lie there always.
        assert set(kept) <= {ONE, TWO, found}
        assert found == ONE or found in kept
        for displaced in spool.leftovers():
            assert spool.drop(displaced) is None
        assert os.listdir(root / ".git/hub/swap") == []


@pytest.mark.parametrize("verb", ["take_away", "consume"])
@pytest.mark.parametrize("found", [ONE, b"theirs"])
@pytest.mark.parametrize("point", ["before", "taken", "after"])
def test_a_removal_that_was_killed_is_finished_by_doing_it_again(
    tmp_path: Path, point: str, found: bytes, verb: str
) -> None:
    root = fresh(tmp_path)
    (root / X).write_bytes(found)
    crash(root, "take.taken" if point == "taken" else f"{verb}.{point}", verb)
    with Spool(root) as spool:
        spool.clear()
        spool.take_away(X, ONE)
        assert not (root / X).exists()
        left = [displaced.data for displaced in spool.leftovers()]
        assert found == ONE or left == [found]
