"""The independent checker: an honest history is in order, and every forgery is named at its own commit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubd.ledger import Commit, Put
from hubd.verify import NoLedger, Result, verify
from tests.core.play import accepted
from tests.core.test_histories import STAFF, Play
from tests.shell.forgeries import FORGERIES, READ, SEND, STEPS, TASK, held
from tests.shell.histories import (
    Recorded,
    Stream,
    and_also,
    git,
    rewritten,
    trailer,
    two_rounds,
    with_trailer,
    write,
)
from tests.shell.run_forgeries import launches, run_forgeries


@pytest.fixture(scope="module")
def honest() -> list[Commit]:
    return two_rounds().commits


@pytest.fixture
def ledger(honest: list[Commit], tmp_path: Path) -> Path:
    return write(tmp_path / "ledger", honest)


def commits(root: Path) -> list[str]:
    return git(root, "rev-list", "--first-parent", "--reverse", "refs/hub/main").split()


def bad(result: Result) -> tuple[int, str]:
    assert not result.ok
    assert result.first_bad is not None
    assert result.commits == result.first_bad["seq"] - 1
    return result.first_bad["seq"], result.first_bad["reason"]


def test_the_story_is_the_one_that_the_forgeries_speak_of(honest: list[Commit]) -> None:
    told = [f"{trailer(c, 'Hub-Kind')}.{trailer(c, 'Hub-Transition').partition(':')[0]}" for c in honest]
    assert told[TASK - 1 :] == STEPS


def test_an_honest_history_is_in_order(ledger: Path, honest: list[Commit]) -> None:
    seen: list[int] = []
    result = verify(ledger, progress=seen.append)
    assert result.ok, result.first_bad
    assert (result.commits, result.first_bad) == (len(honest), None)
    assert result.transitions > len(honest)
    assert seen == list(range(1, len(honest) + 1))


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_named_at_its_commit(name: str, honest: list[Commit], tmp_path: Path) -> None:
    forgery = FORGERIES[name]
    root = write(tmp_path / "ledger", forgery.made(list(honest)))
    result = verify(root)
    number, reason = bad(result)
    assert number == forgery.number, reason
    assert forgery.reason in reason
    assert result.first_bad is not None
    assert result.first_bad["commit"] == commits(root)[number - 1]


@pytest.fixture(scope="module")
def honest_runs() -> list[Commit]:
    return launches().commits


def test_an_honest_history_of_runs_is_in_order(honest_runs: list[Commit], tmp_path: Path) -> None:
    result = verify(write(tmp_path / "ledger", honest_runs))
    assert result.ok, result.first_bad
    assert result.commits == len(honest_runs)


@pytest.mark.parametrize("name", run_forgeries())
def test_a_forgery_of_runs_is_named_at_its_commit(
    name: str, honest_runs: list[Commit], tmp_path: Path
) -> None:
    forgery = run_forgeries()[name]
    number, reason = bad(verify(write(tmp_path / "ledger", forgery.made(list(honest_runs)))))
    assert number == forgery.number, reason
    assert forgery.reason in reason


# what git is told


def told(number: int, old: bytes, new: bytes) -> Stream:
    return lambda n, text: text.replace(old, new, 1) if n == number else text


def test_a_link_in_the_tree_is_named(honest: list[Commit], tmp_path: Path) -> None:
    root = write(tmp_path / "ledger", honest, told(SEND, b"M 100644", b"M 120000"))
    assert bad(verify(root)) == (SEND, "it holds what is no plain file")


def test_another_committer_is_named(honest: list[Commit], tmp_path: Path) -> None:
    root = write(tmp_path / "ledger", honest, told(SEND, b"committer hubd", b"committer eve"))
    number, reason = bad(verify(root))
    assert (number, "committer eve" in reason) == (SEND, True)


def test_a_persons_commit_is_a_second_parent_that_is_told(honest: list[Commit], tmp_path: Path) -> None:
    for name in ("told", "silent"):
        write(tmp_path / name, honest[:-1])
    first = commits(tmp_path / "told")[0]
    merged = replace(honest[-1], second_parent=first)
    assert verify(write(tmp_path / "told", [with_trailer(merged, "Hub-Foreign", first)])).ok
    number, reason = bad(verify(write(tmp_path / "silent", [merged])))
    assert (number, f"parent {first}" in reason) == (len(honest), True)


def test_a_contract_counts_from_the_commit_after_its_own(honest: list[Commit], tmp_path: Path) -> None:
    table = json.loads(held(honest[0], "transitions.json"))
    rows = [row for row in table["transitions"] if (row["kind"], row["do"]) != ("message", "submit")]
    other = json.dumps({**table, "transitions": rows}).encode()
    changed = and_also(honest[READ - 1], Put("contract/schema/transitions.json", other))
    assert bad(verify(write(tmp_path / "silent", [*honest[: READ - 1], changed, *honest[READ:]])))[0] == READ
    founded = rewritten(honest[0], "transitions.json", lambda data: other)
    number, reason = bad(verify(write(tmp_path / "founded", [founded, *honest[1:]])))
    assert (number, "new -> unread is no step" in reason) == (SEND, True)


# where the history lies


def test_a_plain_clone_is_checked_by_its_head(ledger: Path, honest: list[Commit], tmp_path: Path) -> None:
    git(ledger, "update-ref", "refs/heads/main", "refs/hub/main")
    git(tmp_path, "clone", "--quiet", str(ledger), "clone")
    assert verify(tmp_path / "clone").commits == len(honest)
    assert verify(str(tmp_path / "clone" / ".git")).ok
    assert verify(tmp_path / "clone", rev="HEAD~3").commits == len(honest) - 3


def test_what_is_no_history_is_said_so(ledger: Path, tmp_path: Path) -> None:
    with pytest.raises(NoLedger, match="no git repository") as caught:
        verify(tmp_path)
    assert caught.value.hint
    with pytest.raises(NoLedger, match="has no refs/heads/none"):
        verify(ledger, rev="refs/heads/none")


def test_any_other_history_is_not_in_order(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", str(tmp_path / "other"))
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    git(tmp_path / "other", *who, "commit", "--quiet", "--allow-empty", "-m", "Begin")
    assert bad(verify(tmp_path / "other"))[0] == 1


def test_a_repository_cannot_run_anything_or_hide_anything(ledger: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {ran}\n")
    trap.chmod(0o755)
    for key, value in {
        "log.showRoot": "false", "log.showSignature": "true", "gpg.program": str(trap), "core.abbrev": "7",
        "diff.external": str(trap), "diff.orderFile": str(trap), "diff.renames": "copies",
        "core.pager": str(trap), "core.fsmonitor": str(trap), "core.hooksPath": str(tmp_path),
        "log.diffMerges": "off", "core.quotePath": "true", "format.pretty": "oneline", "log.mailmap": "true",
    }.items():  # fmt: skip
        git(ledger, "config", key, value)
    assert verify(ledger).ok
    assert not ran.exists()


def test_replacements_and_grafts_have_no_say(honest: list[Commit], ledger: Path, tmp_path: Path) -> None:
    forgery = FORGERIES["an author's bytes are not those saved"]
    forged = write(tmp_path / "forged", forgery.made(list(honest)))
    old, new = commits(ledger)[TASK - 1], commits(forged)[TASK - 1]
    git(forged, "fetch", "--quiet", str(ledger), "refs/hub/main:refs/heads/honest")
    git(forged, "replace", new, old)
    (forged / "info").mkdir(exist_ok=True)
    (forged / "info" / "grafts").write_text(f"{commits(forged)[TASK]} {old}\n")
    assert bad(verify(forged))[0] == TASK


def object_file(root: Path, oid: str) -> Path:
    path = root / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


def test_bytes_that_are_gone_are_named(honest: list[Commit], ledger: Path) -> None:
    cause = trailer(honest[SEND - 1], "Hub-Cause")
    object_file(ledger, cause).unlink()
    assert bad(verify(ledger)) == (SEND, f"bytes are gone: object {cause}")


def test_a_folder_that_is_gone_is_named(ledger: Path) -> None:
    tree = git(ledger, "rev-parse", f"{commits(ledger)[SEND - 1]}:agents/backend/inbox")
    object_file(ledger, tree).unlink()
    number, reason = bad(verify(ledger))
    assert number == SEND
    assert "missing" in reason or "gone" in reason


def test_a_commit_that_is_gone_ends_the_check(ledger: Path) -> None:
    object_file(ledger, commits(ledger)[SEND - 1]).unlink()
    assert "git cannot read on" in bad(verify(ledger))[1]


@pytest.mark.parametrize("what", ["cause", "tree", "commit"])
def test_bytes_that_are_not_what_their_name_says_are_named(
    what: str, honest: list[Commit], ledger: Path
) -> None:
    commit = commits(ledger)[SEND - 1]
    tree = git(ledger, "rev-parse", f"{commit}:agents")
    names = {"cause": trailer(honest[SEND - 1], "Hub-Cause"), "commit": commit, "tree": tree}
    path = object_file(ledger, names[what])
    data = zlib.decompress(path.read_bytes())
    old = {"cause": b"tests", "commit": b": 2026", "tree": b"lead"}[what]
    assert old in data
    path.write_bytes(zlib.compress(data.replace(old, old[:-1] + b"7")))
    number, reason = bad(verify(ledger))
    assert number == SEND
    assert "altered" in reason or "gone" in reason or "cannot read on" in reason, reason


# what only an anchor shows


def test_a_consistent_rewrite_is_found_against_an_anchor_alone(ledger: Path, tmp_path: Path) -> None:
    other = Recorded(approvers=("operator", "anna"))
    other.task("Something else")
    rewritten_ = other.write(tmp_path / "other")
    assert verify(rewritten_).ok
    pushed = commits(ledger)[-1]
    assert verify(ledger, anchor=pushed).ok
    assert verify(ledger, anchor=commits(ledger)[3][:12]).ok
    assert "anchor" in bad(verify(rewritten_, anchor=pushed))[1]
    assert "anchor" in bad(verify(ledger, anchor=pushed, rev=f"{pushed}~1"))[1]


# the command


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubd.verify", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_runs_as_a_command(ledger: Path, honest: list[Commit], tmp_path: Path) -> None:
    done = run(ledger)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {**told, "transitions": 0} == {
        "schema": 1, "ok": True, "commits": len(honest), "transitions": 0, "first_bad": None,
    }  # fmt: skip
    forged = write(tmp_path / "forged", FORGERIES["a commit is missing"].made(list(honest)))
    done = run(forged, "refs/hub/main")
    assert done.returncode == 1
    assert json.loads(done.stdout)["first_bad"].keys() == {"seq", "commit", "reason"}


def test_a_table_of_every_kind_is_in_order(tmp_path: Path) -> None:
    table = Recorded(approvals="2", approvers=("operator", "anna", "ben"), not_author="true")
    _, round_ = table.task(), table.plan("fix-the-login-xwet", actor="lead")
    accepted(table.approve(round_, "anna"))
    accepted(table.approve(round_, "operator"))
    assert table.state_of(round_) == "dispatched"
    accepted(table.request("operator", "pause", "backend"))
    accepted(table.request("lead", "cancel", f"{round_}.a1"))
    accepted(table.request("lead", "retry", f"{round_}.a1"))
    accepted(table.request("lead", "reassign", f"{round_}.a1", "to: critic"))
    accepted(table.request("operator", "recall", round_))
    accepted(table.request("operator", "resume", "backend"))
    accepted(table.request("lead", "close", "fix-the-login-xwet"))
    accepted(table.propose("operator", "cards", "cards/critic.md", None))
    result = verify(table.write(tmp_path / "ledger"))
    assert result.ok, result.first_bad


@pytest.mark.timeout(240)
@given(st.lists(st.integers(0, 10_000), min_size=60, max_size=200))
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_whatever_anybody_does_leaves_a_history_in_order(numbers: list[int]) -> None:
    play = Play(numbers)
    play.table = table = Recorded()
    table.hire(*STAFF)
    table.dispatched("backend: 1", "any:review: 2 < 1")
    while play.numbers:
        play.act()
    with tempfile.TemporaryDirectory() as folder:
        result = verify(table.write(Path(folder) / "ledger"))
    assert result.ok, result.first_bad
    assert result.commits == len(table.commits)
