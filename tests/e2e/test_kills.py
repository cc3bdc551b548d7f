"""hubd killed at random moments of a busy life: nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.processes import MESSAGE, Box, Hubd, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WRITERS = ("lead", "backend", "tester", "operator")
EACH = 60
KILLS = 8


def write(box: Box, name: str, seed: int) -> None:
    """Send messages, each with its own text, to everybody in turn; some of them no hub can accept."""
    chance = random.Random(seed)
    for number in range(EACH):
        to = WRITERS[(WRITERS.index(name) + 1 + number % 3) % 4]
        text = MESSAGE.format(to, f"{name} {number}")
        if number % 10 == 9:
            text = text.replace("kind: message", "kind: mesage")
        box.drop(name, f"{name}-{number}.md", text)
        time.sleep(chance.uniform(0, 0.05))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_under_load_it_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    box = Box(tmp_path / "m")
    writers = [threading.Thread(target=write, args=(box, name, seed + n)) for n, name in enumerate(WRITERS)]
    running = Hubd(box.root)
    for writer in writers:
        writer.start()
    slowest = 0.0
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.3, 0.9))
        running.kill()
        began = time.monotonic()
        running = Hubd(box.root).ready()
        slowest = max(slowest, time.monotonic() - began)
    for writer in writers:
        writer.join()
    until(lambda: not list(box.root.glob("agents/*/outbox/*.md")), "every outbox to be empty")
    running.rested()
    assert running.stop() == 0
    assert "Traceback" not in running.log()

    refused, accepted = len(WRITERS) * EACH // 10, len(WRITERS) * (EACH - EACH // 10)
    assert len(list(box.root.glob("agents/*/refused/*"))) == refused
    assert len(list(box.root.glob("agents/*/inbox/b-*.md"))) <= refused
    texts = [path.read_text() for path in box.root.glob("agents/*/inbox/m-*.md")]
    subjects = [text.split("\nsubject: ", 1)[1].split("\n", 1)[0] for text in texts]
    parked = [s for s in subjects if "was refused" in s]
    sent = [s for s in subjects if s not in parked]
    assert sorted(sent) == sorted(f"{w} {n}" for w in WRITERS for n in range(EACH) if n % 10 != 9)
    # One commit each, and one for each refusal.
    log = box.git("log", "--first-parent", "--format=%(trailers:key=Hub-Source,valueonly)", "refs/hub/main")
    sources = [line for line in log.splitlines() if "/outbox/" in line]
    assert len(sources) == len(set(sources)) == accepted + refused
    assert not list((box.root / ".git/hub/swap").iterdir())
    assert box.verified()
    print(f"slowest restart {slowest:.2f} s, {os.cpu_count()} cores")
