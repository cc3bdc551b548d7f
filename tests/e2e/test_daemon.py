"""hubd as people and agents meet it: files are saved, and it runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hubd.hub import Hub
from tests.e2e.processes import DEADLINE, MESSAGE, ROUND, TASK, Box, Hubd, hubd, until
from tests.house.sources import ROOT
from tests.shell.mailbox import STORY, lease

pytestmark = [pytest.mark.e2e]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "m")


def test_the_two_round_story_by_plain_files(box: Box) -> None:
    with hubd(box.root) as hub:
        for save in STORY:
            before = box.tip()
            save(box)
            until(lambda: box.tip() != before, f"{save.__name__} to be judged")  # noqa: B023
            hub.ask(do="ping")
        assert box.subjects()[-1].endswith("awaiting_review -> completed")
        assert box.count("new -> unread") == 1
        assert not list(box.root.glob("agents/*/outbox/*"))
        hub.rested()
    assert box.verified()


def test_a_plain_save_is_not_read_before_it_is_quiet(box: Box) -> None:
    text = TASK.format("Slowly written")
    path = box.root / "agents/operator/outbox/slow.md"
    with hubd(box.root, environment={"HUB_SETTLE": "1s"}):
        with path.open("w") as file:
            for letter in text:
                file.write(letter)
                file.flush()
                time.sleep(0.02)
        written = time.time()
        box.find("lead", "slowly-written-*.md")
        assert time.time() - written >= 0.9
        assert box.bounces("operator") == []


def test_a_decision_counts_after_a_while_of_quiet_and_can_be_taken_back_before(box: Box) -> None:
    with hubd(box.root, environment={"HUB_SETTLE": "10ms", "HUB_DECISION_DELAY": "1s"}):
        box.drop("operator", "t.md", TASK.format("Fix the login"))
        task = box.find("lead", "fix-*.md").stem
        box.drop("lead", "p.md", ROUND.format(task))
        round_ = box.find("operator", "*.r1.md")
        box.edit(round_, "- [ ] approve", "- [x] approve")
        time.sleep(0.3)
        box.edit(round_, "- [x] approve", "- [ ] approve")
        box.edit(round_, "- [ ] reject", "- [x] reject")
        ticked = time.time()
        box.wait("awaiting_approval -> rejected")
        assert time.time() - ticked >= 0.9
        assert box.count("-> dispatched") == 0


def test_settings_and_cards_are_read_again_when_saved_and_bad_ones_are_put_back(box: Box) -> None:
    with hubd(box.root) as hub:
        settings = box.root / "hub.yaml"
        good = settings.read_text().replace("max_rounds: 3", "max_rounds: 1")
        settings.write_text(good)
        box.wait("hub.yaml: active -> active")
        settings.write_text(good.replace("max_rounds: 1", "max_rounds: many"))
        until(lambda: box.bounces("operator") == ["bad-value"], "a bounce")
        until(lambda: settings.read_text() == good, "the settings to be put back")
        assert "max_rounds: many" in (box.root / "agents/operator/refused/hub.yaml").read_text()

        (box.root / "cards/writer.md").write_text("---\nkind: agent\n---\nYou write.\n")
        until((box.root / "agents/writer/outbox").is_dir, "folders for the new agent")
        hub.ask(do="ping")
        box.drop("writer", "hello.md", MESSAGE.format("lead", "Hello"))
        box.find("lead", "m-*.md")
        (box.root / "cards/writer.md").write_text("---\nkind: agent\ncapabilites: [x]\n---\n")
        until(lambda: box.bounces("operator") == ["bad-value", "unknown-key"], "a second bounce")
        until(lambda: "You write." in (box.root / "cards/writer.md").read_text(), "the card to be put back")


def test_of_five_started_at_once_one_lives_and_four_say_so(box: Box) -> None:
    started = [Hubd(box.root) for _ in range(5)]
    try:
        until(lambda: sum(h.process.poll() is not None for h in started) == 4, "four to end")
        (living,) = (h for h in started if h.alive())
        living.ready()
        assert [h.process.returncode for h in started if h is not living] == [3, 3, 3, 3]
        assert all("hint:" in h.log() for h in started if h is not living)
        late = Hubd(box.root)
        assert late.process.wait(DEADLINE) == 3
        assert living.stop() == 0
    finally:
        for h in started:
            if h.alive():
                h.kill()


def test_hubd_waits_for_a_running_step(box: Box) -> None:
    with Hub.open(box.root):
        starting = Hubd(box.root)
        time.sleep(1)
        assert starting.alive()
        assert "ready" not in starting.log()
    starting.ready()
    assert starting.stop() == 0


def test_a_step_beside_a_starting_daemon_is_done_by_one_of_them(box: Box) -> None:
    for number in range(3):
        box.drop("operator", f"t{number}.md", TASK.format(f"Number {number}"))
        starting = Hubd(box.root)
        with Hub.open(box.root, wait=DEADLINE) as hub:  # before it, or as it lets go again
            hub.look()
        if starting.process.poll() is None:
            starting.kill()
    assert box.count("new -> draft") == 3
    assert box.verified()


def test_sigterm_judges_what_was_saved_and_exits_0(box: Box) -> None:
    running = Hubd(box.root, environment={"HUB_SETTLE": "0ms"}).ready()
    for number in range(50):
        box.drop("operator", f"t{number}.md", TASK.format(f"Number {number}"))
    assert running.stop() == 0
    assert box.count("new -> draft") == 50
    assert not list(box.root.glob("agents/*/outbox/*"))
    assert "stopped by SIGTERM" in running.log()
    assert not (box.root / ".git/hub/sock").exists()
    assert box.git("rev-parse", "HEAD") == box.git("rev-parse", "refs/hub/main")


def test_a_lock_file_that_is_deleted_stops_the_hub_before_its_next_commit(box: Box) -> None:
    with hubd(box.root) as first:
        (box.root / ".git/hub/lock").unlink()
        with hubd(box.root) as second:
            first.says("the hub lock was taken away")
            assert first.process.wait(DEADLINE) == 1
            box.drop("operator", "t.md", TASK.format("Fix the login"))
            box.find("lead", "fix-*.md")
            assert second.ask(do="ping")["pid"] == second.pid
    assert box.verified()


def test_the_log_is_for_people_or_for_machines(box: Box) -> None:
    with hubd(box.root) as hub:
        box.drop("operator", "t.md", TASK.format("Fix the login"))
        box.drop("operator", "bad.md", "no header\n")
        line = hub.says("new -> draft")
        assert line.split(" ", 1)[1].startswith("fix-the-login-")
        assert "refused: no-header" in hub.says("bad.md")
    with hubd(box.root, "--log-format", "json") as hub:
        box.drop("operator", "u.md", TASK.format("Fix the logout"))
        hub.says('"to": "draft"')
    events = [json.loads(line) for line in hub.log().splitlines()]
    assert {"time", "level", "message"} <= set(events[0])
    (step,) = (e for e in events if e.get("to") == "draft")
    assert (step["actor"], step["kind"], step["from"]) == ("operator", "task", "")
    assert box.git("cat-file", "-t", step["commit"]) == "commit\n"


WORKER = """
import sys, time
from pathlib import Path
from hubd.lease import Liveness
held = Liveness(Path(sys.argv[1])).hold(int(sys.argv[2]))
assert held is not None
print("held", flush=True)
time.sleep(600)
"""


def test_a_worker_that_dies_gives_its_assignment_back(box: Box) -> None:
    with hubd(box.root) as hub:
        for save in STORY[:6]:
            before = box.tip()
            save(box)
            until(lambda: box.tip() != before, "a step")  # noqa: B023
            hub.ask(do="ping")
        number = lease(box.find("backend", "*.a1.md"))
        command = (sys.executable, "-c", WORKER, str(box.root / ".git/hub/alive"), number)
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "held\n"
            time.sleep(2.5)  # a tick of the hub's
            assert "state: claimed" in box.find("backend", "*.a1.md").read_text()
            worker.kill()
        box.wait("claimed -> pending")
        until(lambda: "attempt: 2" in box.find("backend", "*.a1.md").read_text(), "the second attempt")


def test_the_signal_that_ends_it_may_come_at_any_time(box: Box) -> None:
    running = Hubd(box.root)
    running.process.send_signal(signal.SIGTERM)  # before it can have said how it wants to end
    running.process.wait(DEADLINE)
    with hubd(box.root) as hub:
        assert hub.ask(do="stop")["ok"]
        assert hub.process.wait(DEADLINE) == 0
