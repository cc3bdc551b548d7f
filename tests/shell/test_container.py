"""Agents in containers of a real engine: what they see, what they may do, and that they leave nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from hubd.launch import questions
from hubd.launch.control import Wrapped
from hubd.launch.engine import Engine, clear
from hubd.launch.spec import Spec
from tests.shell.engines import IMAGE, Podman, podman
from tests.shell.runs import Run, alive, new_hub, until

SECONDS = 45.0  # an engine that makes ten containers at once takes its time


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with podman(tmp_path_factory.mktemp("engine") / "podman") as started:
        yield started.engine
        assert started.containers() == []


class Boxed(Run):
    """A run of this hub, by this name."""

    def __init__(self, spec: Spec) -> None:
        spec.folder.mkdir(exist_ok=True)
        self.spec, self.folder = spec, spec.folder
        self.events: list[dict[str, Any]] = []
        self.wrapped = Wrapped.start(spec)


class Stage:
    """A mailbox with two agents, as far as a container can tell, and a project beside it."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.engine = engine
        self.hub = new_hub()
        self.box = root / "box"
        self.project = root / "project"
        self.project.mkdir()
        for agent in ("ada", "bob"):
            for name in ("inbox", "waiting", "outbox", "drafts", "refused"):
                (self.box / "agents" / agent / name).mkdir(parents=True)
        (self.box / ".git" / "hub" / "runs").mkdir(parents=True)
        (self.box / ".git" / "config").write_text("secret\n")
        (self.box / "README.md").write_text("how to take part\n")
        (self.box / "agents/ada/inbox/task.md").write_text("for ada\n")
        (self.box / "agents/bob/inbox/task.md").write_text("for bob\n")
        self.own = self.box / "agents" / "ada"

    def run(self, *argv: str, run: str = "run-a", **spec: Any) -> closing[Run]:
        told: dict[str, Any] = {
            "tag": f"{self.hub}:{run}",
            "folder": self.box / ".git/hub/runs" / run,
            "runtime": "container",
            "engine": str(self.engine.path),
            "cwd": str(self.project),
            "env": {"HUB_MAILBOX": str(self.box), "HUB_AGENT": "ada", **spec.pop("env", {})},
            "container": {"image": IMAGE, **spec.pop("container", {})},
        }
        return closing(Boxed(Spec(run=run, argv=argv, **{**told, **spec})))

    def ran(self, script: str, **spec: Any) -> tuple[dict[str, Any], Run]:
        """Run a script to its end."""
        with self.run("sh", "-c", script, **spec) as run:
            return run.ends(SECONDS), run

    def left(self) -> list[str]:
        """Return whose containers there are, of this hub."""
        listed = self.engine.ask(questions.containers(self.hub)).read()
        return sorted(each["Labels"][questions.RUN] for each in listed)


@pytest.fixture
def stage(tmp_path: Path, engine: Engine) -> Stage:
    return Stage(tmp_path, engine)


def test_a_container_has_the_prompt_and_the_environment_and_tells_how_it_ended(stage: Stage) -> None:
    outside = {"PATH": "/nonsense", "HOME": "/home/somebody", "LANG": "C.UTF-8", "KEY": "a 'b'\n$c"}
    script = 'cat; echo "$KEY" "$HUB_RUN_TAG"; echo "$HOME $PATH" >&2; pwd; exit 3'
    ended, run = stage.ran(script, stdin="the prompt\n" * 20_000, env=outside)
    assert (ended["reason"], ended["exit"], ended["error"]) == ("exit", 3, "")
    assert run.log() == "the prompt\n" * 20_000 + f"a 'b'\n$c {stage.hub}:run-a\n{stage.project}\n"
    assert "/home/somebody" not in run.log("stderr")
    assert "/nonsense" not in run.log("stderr")
    assert stage.left() == []


def test_an_agent_writes_its_own_folders_and_sees_of_others_nothing(stage: Stage) -> None:
    script = f"""
        cd {stage.box}
        cat README.md agents/ada/inbox/task.md; ls agents; ls -A .git; ls .git/hub/runs
        echo done > agents/ada/drafts/done.md && mv agents/ada/drafts/done.md agents/ada/outbox/done.md
        echo read > agents/ada/inbox/task.md
        echo work > {stage.project}/work
        for place in README.md new agents/new agents/ada/new agents/ada/waiting/new agents/ada/refused/new \\
            .git/new .git/hub/runs/run-a/new agents/bob/inbox/new; do
            (echo > $place) 2> /dev/null && echo WRITES $place
        done
        cat .git/config agents/bob/inbox/task.md && echo READS
        rm -rf agents/ada/outbox 2> /dev/null; ln -s /etc agents/ada/outbox 2> /dev/null
        mv agents/ada agents/eve && echo MOVES
        umount {stage.box}/.git && echo UNMOUNTS
        grep -c . /proc/net/dev
        grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status
        exit 0
    """
    ended, run = stage.ran(script)
    assert ended["exit"] == 0
    lines = run.log().split("\n")
    assert lines[:6] == ["how to take part", "for ada", "ada", "hub", "run-a", "3"]  # two headings, and lo
    assert [line.split() for line in lines[6:9]] == [
        ["CapEff:", "0000000000000000"], ["CapBnd:", "0000000000000000"], ["NoNewPrivs:", "1"]
    ]  # fmt: skip
    assert (stage.own / "inbox/task.md").read_text() == "read\n"
    assert (stage.project / "work").read_text() == "work\n"
    assert (stage.own / "outbox").is_dir()
    assert not (stage.own / "outbox").is_symlink()


def test_what_an_agent_saves_is_the_hubs_to_read_at_once(stage: Stage) -> None:
    script = f"cd {stage.own}; echo draft > drafts/x && mv drafts/x outbox/x.md && echo saved; cat"
    with stage.run("sh", "-c", script + " inbox/late.md; sleep 600", run="run-b") as run:
        run.prints("saved")
        saved = stage.own / "outbox/x.md"
        assert saved.read_text() == "draft\n"
        assert saved.stat().st_uid == os.getuid()
    assert until(lambda: clear(stage.engine, stage.hub), "the container of a killed wrapper") == ["run-b"]
    assert stage.left() == []


def test_a_card_gives_mounts_limits_and_a_user(stage: Stage, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "given").write_text("given\n")
    container = {
        "mounts": [f"{data}:/data", f"{data}:/more:rw"], "user": "1234:5678", "cpus": "0.5",
        "pids": "20", "read_only": "true", "env": {"PATH": "/bin", "HOME": "/tmp"}, "memory": "64m",
    }  # fmt: skip
    data.chmod(0o777)
    script = """
        cat /data/given; id -u; id -g; echo $HOME; echo > /more/written; touch /tmp/x && echo tmp
        (echo > /data/no) 2> /dev/null && echo WRITES
        (echo > /no) 2> /dev/null && echo WRITES
        i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done
    """
    _, run = stage.ran(script, container=container)
    assert run.log().split() == ["given", "1234", "5678", "/tmp", "tmp"]
    assert "fork" in run.log("stderr")
    assert (data / "written").stat().st_uid == 1234


def test_an_agent_without_memory_is_told_apart_from_one_that_was_stopped(stage: Stage) -> None:
    ended, run = stage.ran("exec tail /dev/zero", container={"memory": "32m"})
    assert (ended["reason"], ended["signal"]) == ("exit", signal.SIGKILL)
    assert "out of memory (memory: 32m)" in ended["error"]
    assert "out of memory (memory: 32m)" in run.log("stderr")
    assert stage.left() == []


def test_an_agent_that_hears_ends_by_itself_and_one_that_does_not_is_killed(stage: Stage) -> None:
    hears = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    # An engine may take its time to say that it has ended: until then it counts as one that does not hear.
    with stage.run("sh", "-c", hears, run="run-hears", grace=SECONDS) as run:
        run.prints("ready")
        run.wrapped.stop("enough")
        ended = run.ends(SECONDS)
        assert (ended["reason"], ended["exit"], ended["error"]) == ("stop", 7, "")
        assert run.log() == "ready\nbye\n"
    deaf = "trap '' TERM; (setsid sleep 600 &); echo ready; sleep 600"
    with stage.run("sh", "-c", deaf, run="run-deaf", grace=0.3) as run:
        run.prints("ready")
        run.wrapped.stop("enough")
        ended = run.ends(SECONDS)
        assert (ended["reason"], ended["signal"], ended["error"]) == ("stop", signal.SIGKILL, "")
    assert stage.left() == []


def test_a_time_limit_ends_a_container(stage: Stage) -> None:
    ended, _ = stage.ran("sleep 600", timeout=0.3, grace=0.3)
    assert ended["reason"] == "timeout"
    assert stage.left() == []


def test_a_run_that_is_stopped_before_it_runs_leaves_nothing(stage: Stage) -> None:
    with stage.run("sleep", "600") as run:
        run.wrapped.stop("never mind")
        assert run.ends(SECONDS)["reason"] == "stop"
    assert stage.left() == []


def test_a_hub_that_is_gone_takes_its_containers_along(stage: Stage) -> None:
    with stage.run("sh", "-c", "echo ready; sleep 600", grace=0.3) as run:
        run.prints("ready")
        wrapper = run.wrapped.pid
        run.wrapped.close()
        until(lambda: not alive(wrapper), "the wrapper of a hub that is gone", SECONDS)
        assert stage.left() == []


def test_what_a_killed_wrapper_leaves_is_cleared_and_nothing_of_another_hub(stage: Stage) -> None:
    other = new_hub()
    labels = {questions.HUB: other, questions.RUN: "run-a"}
    host = {"NetworkMode": "none"}
    theirs = {"Image": IMAGE, "Cmd": ["sleep", "600"], "Labels": labels, "HostConfig": host}
    stage.engine.ask(questions.create("theirs", theirs))
    stage.engine.ask(questions.start("theirs"))
    for run in ("run-a", "run-b"):
        with stage.run("sh", "-c", "trap '' TERM; echo ready; sleep 600", run=run) as killed:
            killed.prints("ready")
            os.kill(killed.wrapped.pid, signal.SIGKILL)
            assert killed.ends(SECONDS)["reason"] == "lost"
    assert stage.left() == ["run-a", "run-b"]
    assert clear(stage.engine, stage.hub, runs=["run-b"]) == ["run-b"]
    assert clear(stage.engine, stage.hub) == ["run-a"]
    assert clear(stage.engine, stage.hub) == []
    assert stage.engine.ask(questions.inspect("theirs")).read()["State"]["Running"]
    assert clear(stage.engine, other) == ["run-a"]


def test_a_run_that_is_started_again_takes_the_place_of_what_it_left(stage: Stage) -> None:
    with stage.run("sh", "-c", "echo ready; sleep 600") as first:
        first.prints("ready")
        os.kill(first.wrapped.pid, signal.SIGKILL)
        assert first.ends(SECONDS)["reason"] == "lost"
    assert stage.left() == ["run-a"]
    ended, run = stage.ran("echo again")
    assert (ended["exit"], ended["error"]) == (0, "")
    assert run.log().endswith("again\n")
    assert stage.left() == []


def test_output_is_whole_and_in_its_place_even_if_the_prompt_is_not_read(stage: Stage) -> None:
    script = "exec < /dev/null; head -c 200000 /dev/zero | tr '\\0' x; echo end; echo err >&2"
    ended, run = stage.ran(script, stdin="unread" * 200_000)
    assert (ended["exit"], ended["error"]) == (0, "")
    assert run.log() == "x" * 200_000 + "end\n"
    assert run.log("stderr") == "err\n"


@pytest.mark.parametrize(
    ("argv", "container", "words"),
    [
        (("true",), {"image": "localhost/none"}, "no image localhost/none (get it"),
        (("nosuch",), {}, f"the image {IMAGE} has no command `nosuch`"),
        (("/etc/passwd",), {}, "`/etc/passwd` of the image"),
        (("true",), {"network": "nosuch"}, "network not found"),
        (("true",), {"image": ""}, "there is no image"),
        (("true",), {"mounts": ["/etc:/data:ro", "/:/host"]}, "holds the mailbox"),
    ],
)
def test_what_cannot_start_says_why(
    stage: Stage, argv: tuple[str], container: dict[str, Any], words: str
) -> None:
    with stage.run(*argv, container=container) as run:
        ended = run.ends(SECONDS)
    assert ended["reason"] == "error"
    assert words in ended["error"]
    assert not any(event["event"] == "started" for event in run.events)
    assert stage.left() == []


def test_a_folder_that_an_agent_has_replaced_by_a_link_is_not_mounted(stage: Stage) -> None:
    (stage.own / "outbox").rmdir()
    (stage.own / "outbox").symlink_to("/etc")
    ended, _ = stage.ran("echo > outbox/planted")
    assert ended["reason"] == "error"
    assert f"{stage.own}/outbox is a link" in ended["error"]
    assert stage.left() == []


def test_without_an_engine_a_run_says_so(stage: Stage, tmp_path: Path) -> None:
    ended, _ = stage.ran("true", engine=str(tmp_path / "none.sock"))
    assert ended["reason"] == "error"
    assert f"no container engine at {tmp_path}/none.sock" in ended["error"]
    assert "start one" in ended["error"]


def test_an_engine_that_dies_ends_the_run_and_a_later_one_clears(tmp_path: Path) -> None:
    with podman(tmp_path / "podman") as dying:
        stage = Stage(tmp_path, dying.engine)
        with stage.run("sh", "-c", "trap '' TERM; echo ready; sleep 600") as run:
            run.prints("ready")
            dying.kill()
            ended = run.ends(SECONDS)
        assert "no container engine listens at" in ended["error"]
        Podman.start(dying)
        assert clear(dying.engine, stage.hub) == ["run-a"]
        assert dying.containers() == []


def test_the_environment_of_a_run_is_in_no_argument_and_in_no_log(stage: Stage) -> None:
    with stage.run("sh", "-c", "echo ready; sleep 600", env={"KEY": "canary-7"}, grace=0.3) as run:
        run.prints("ready")
        assert not [line for line in command_lines() if b"canary-7" in line]
        run.wrapped.stop("seen")
        run.ends(SECONDS)
    assert "canary-7" not in "".join(log.read_text() for log in run.folder.glob("*.log"))


def command_lines() -> Iterator[bytes]:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield each.read_bytes()
