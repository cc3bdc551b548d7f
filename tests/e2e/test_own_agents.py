"""The examples of agents that somebody writes for themselves, each against a real hubd: on its own, beside
another process of the same name, and inside a run that hubd started.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.launching import Running, Yard, field
from tests.e2e.processes import DEADLINE, hubd, until
from tests.house.sources import ROOT

EXAMPLES = {
    "sh": ["bash", str(ROOT / "examples/agent.sh")],
    "mjs": ["node", str(ROOT / "examples/agent.mjs")],
    "py": [sys.executable, "-W", "error", str(ROOT / "examples/agent.py")],
}
WORKS = ["sh", "-c", 'grep -q "^goal: Do it" && echo "looked" && echo "Did \\"it\\": all #1"']
FAILS = ["sh", "-c", "exit 3"]

pytestmark = pytest.mark.e2e
example = pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.skipif(not shutil.which(EXAMPLES[n][0]), reason="no node"))
        for n in EXAMPLES
    ],
)


@contextmanager
def agents(name: str, root: Path, work: list[str], count: int = 1) -> Iterator[Path]:
    """Run an example as an agent of its own; on leaving it is ended. Answers with what it says."""
    said = root.parent / "said"
    running = []
    try:
        with said.open("ab") as out:
            for _ in range(count):
                command = [*EXAMPLES[name], str(root), "backend", *work]
                running.append(subprocess.Popen(command, stdout=out, stderr=out, cwd=root.parent))
        yield said
        assert all(process.poll() is None for process in running), said.read_text()
    finally:
        for process in running:
            process.terminate()
            process.wait(DEADLINE)


def handoff(yard: Yard, round_: str) -> str:
    path = f"{round_}.a1.h1.md"
    found = next(iter((yard.root / "agents/operator/inbox").glob(path)), None)
    assert found is not None
    return found.read_text()


@example
def test_an_example_claims_works_and_hands_off(tmp_path: Path, name: str) -> None:
    yard = Yard(tmp_path / "mail")
    with hubd(yard.root) as hub, agents(name, yard.root, WORKS) as said:
        round_ = yard.task("backend")
        yard.wait(f"{round_}.a1.h1: new -> submitted")
        hub.rested()
        text = handoff(yard, round_)
        assert field(text, "outcome") == "done"
        assert field(text, "summary").strip('"').replace('\\"', '"') == 'Did "it": all #1'
        yard.send("backend", "Well done")
        until(lambda: "operator: Well done" in said.read_text(), "the message to be told")
        until(lambda: not yard.folder("backend", "inbox"), "an empty inbox")
    assert yard.folder("backend", "drafts") == yard.folder("backend", "refused") == []
    assert yard.verified()


@example
def test_an_example_says_that_its_work_failed(tmp_path: Path, name: str) -> None:
    yard = Yard(tmp_path / "mail")
    with hubd(yard.root), agents(name, yard.root, FAILS):
        round_ = yard.task("backend")
        yard.wait(f"{round_}.a1.h1: new -> submitted")
        until(lambda: list((yard.root / "agents/operator/inbox").glob(f"{round_}.a1.h1.md")), "the handoff")
        text = handoff(yard, round_)
    assert field(text, "outcome") == "blocked"
    assert "ended with 3" in field(text, "summary")


@example
def test_two_processes_of_one_name_share_the_work(tmp_path: Path, name: str) -> None:
    yard = Yard(tmp_path / "mail")
    with hubd(yard.root), agents(name, yard.root, WORKS, 2):
        rounds = [yard.task("backend", title=f"Number {n}") for n in range(3)]
        yard.wait(".a1.h1: new -> submitted", len(rounds))
        until(lambda: not yard.folder("backend", "inbox"), "an inbox without bounces and work")
    claimed = [s for s in yard.subjects() if s.endswith("pending -> claimed")]
    assert len(claimed) == len(set(claimed)) == len(rounds)
    assert yard.verified()


@example
def test_an_example_does_what_a_run_is_for(tmp_path: Path, name: str) -> None:
    yard = Yard(tmp_path / "mail")
    with Running(yard.root):
        yard.card("backend", command=json.dumps([*EXAMPLES[name], "{mailbox}", "{agent}", *WORKS]))
        round_ = yard.task("backend")
        (run,) = yard.ended()
        assert field(run, "outcome") == "done", run
        assert yard.count(f"{round_}.a1.h1: new -> submitted") == 1
        yard.send("backend", "For the next run")
        runs = yard.ended(2)
        assert field(runs[1], "outcome") == "done", runs[1]
        until(lambda: not yard.folder("backend", "inbox"), "an empty inbox")
    assert yard.verified()
