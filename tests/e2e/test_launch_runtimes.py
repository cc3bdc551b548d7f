"""Agents in terminals and in containers, started by hubd; watched, told and stopped by real commands."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.launching import Running, Yard, field
from tests.e2e.processes import until
from tests.house.sources import ROOT
from tests.shell.engines import IMAGE, Podman, podman

pytestmark = pytest.mark.e2e

HANDOFF = """\
cat >/dev/null
cat >"$HUB_OUTBOX/handoff.md" <<END
---
kind: handoff
assignment: $HUB_ASSIGNMENT
lease: $HUB_LEASE
outcome: done
summary: Done by $(busybox | head -n 1 | cut -d' ' -f1) in a box
---
END
echo STATUS: done
"""


def hubctl(yard: Yard, *args: str) -> str:
    done = subprocess.run(
        (sys.executable, "-m", "hubd.cli", "-C", str(yard.root), *args),
        capture_output=True, text=True, cwd=ROOT, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "mail")


def test_an_agent_in_a_terminal_is_told_of_new_mail_and_of_what_a_person_types(yard: Yard) -> None:
    with Running(yard.root):
        yard.card("backend", behave="listen", runtime="pty", launch="always", shutdown="manual")
        run = until(lambda: yard.live_runs("backend"), "a run")[0]
        until(lambda: "listening" in hubctl(yard, "logs", "backend"), "its first word")
        yard.send("backend")
        until(lambda: not list((yard.root / "agents/backend/inbox").glob("m-*.md")), "the message to be read")
        assert yard.count("-> started") == 1, "it is told; nobody else is started"
        hubctl(yard, "attach", "backend", "--send", "hello there")
        until(lambda: "heard hello there" in hubctl(yard, "logs", "backend"), "what was typed")
        hubctl(yard, "stop", "backend")
        ended = yard.ended()[0]
        assert field(ended, "id") == run
        assert field(ended, "outcome") == "stopped"
        assert "heard hello there" in hubctl(yard, "runs", run, "--replay", "--speed", "1000")
    assert yard.verified()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with podman(tmp_path_factory.mktemp("engine") / "podman") as started:
        yield started


def test_an_agent_in_a_container_hands_off_and_leaves_no_container(yard: Yard, engine: Podman) -> None:
    yard.project.mkdir()
    (yard.project / "work.sh").write_text(HANDOFF)
    # An engine may take its time to say that a container has ended: it is not stopped meanwhile.
    with Running(yard.root, HUB_ENGINE=str(engine.engine.path), HUB_LINGER="60s"):
        yard.card(
            "backend", runtime="container", command="[sh, work.sh]", directory=str(yard.project),
            container=f"{{image: '{IMAGE}', network: none, memory: 64m}}", env="",
        )  # fmt: skip
        round_ = yard.task("backend")
        (run,) = yard.ended()
        assert field(run, "outcome") == "done", run
        assert "BusyBox" in yard.find("operator", f"{round_}.a1.h1.md").read_text()
        assert engine.containers() == []
    assert yard.verified()


def test_a_container_of_a_hub_that_was_killed_is_removed_by_the_next(yard: Yard, engine: Podman) -> None:
    yard.project.mkdir()
    with Running(yard.root, HUB_ENGINE=str(engine.engine.path)) as hubd:
        yard.card(
            "backend", runtime="container", command="[sleep, '600']", directory=str(yard.project),
            container=f"{{image: '{IMAGE}'}}", env="",
        )  # fmt: skip
        yard.send("backend")
        until(engine.containers, "a container")
        yard.kill_wrappers(signal.SIGSTOP)  # else it might clear up before it is killed itself
        hubd.kill()
        yard.kill_wrappers()
    assert engine.containers()
    yard.card_while_down("backend", launch="manual")
    with Running(yard.root, HUB_ENGINE=str(engine.engine.path)):
        until(lambda: not engine.containers(), "the container to be gone")
        assert field(yard.ended()[0], "outcome") == "lost"
