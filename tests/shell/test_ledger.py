"""Recording and reading, on real git."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hubd.ledger import Commit, Drop, Ledger, LedgerError, Logged, Put, blob_id
from tests.shell.ledgers import WHEN, Box, change

TRUTH = ".git/refs/hub/main"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "mailbox")
    yield box
    box.ledger.close()


def test_a_new_ledger_has_no_commit_and_answers_all_the_same(box: Box) -> None:
    ledger = box.ledger
    assert ledger.tip() == "" == ledger.delivered()
    assert ledger.read("README.md") is None
    assert (ledger.list(), [*ledger.load()], [*ledger.messages("")], [*ledger.log()]) == ([], [], [], [])
    assert ledger.at_seq(1) is None
    assert ledger.warnings == []


def test_a_folder_that_is_a_repository_already_is_refused(box: Box) -> None:
    with pytest.raises(LedgerError, match="exists already") as caught:
        Ledger.create(box.root, host="host1")
    assert caught.value.hint


def test_a_transition_is_one_commit_that_says_who_and_what(box: Box) -> None:
    oid = box.record(Put("agents/ada/inbox/x.md", b"one\n"))
    assert box.ledger.tip() == oid == (box.root / TRUTH).read_text().strip()
    shown = box.git(
        "log", "-1", "--format=%an|%ae|%cn|%ce|%s|%ad|%(trailers:key=Hub-Host,valueonly)", "--date=unix", oid
    )
    stamp = int(WHEN.timestamp())
    assert shown.strip() == f"ada|ada@host1|hubd|hubd@host1|t-1: new -> draft|{stamp}|host1"
    assert box.git("ls-tree", "-r", "--name-only", oid).split() == [".hub/proposal", "agents/ada/inbox/x.md"]


def test_a_group_shares_one_pack_and_is_read_back_in_order(box: Box) -> None:
    ids = box.group(25)
    assert len(set(ids)) == 25
    logged = list(box.ledger.messages(""))
    assert [c.oid for c in logged] == ids
    assert [c.seq for c in logged] == list(range(1, 26))
    assert [c.parents for c in logged[1:]] == [(oid,) for oid in ids[:-1]]
    assert box.ledger.packs() == 1
    assert [c.seq for c in box.ledger.messages(ids[19])] == [21, 22, 23, 24, 25]
    assert [c.seq for c in box.ledger.messages(ids[3], ids[5])] == [5, 6]


def test_a_group_may_be_larger_than_what_a_pipe_holds(box: Box) -> None:
    ids = box.group(2500)
    assert len(set(ids)) == 2500
    assert box.ledger.tip() == ids[-1]
    assert sum(1 for _ in box.ledger.load(["agents"])) == 2500


def test_an_empty_group_records_nothing(box: Box) -> None:
    assert box.ledger.record([]) == []
    assert box.ledger.tip() == ""


def test_files_move_and_go(box: Box) -> None:
    first = box.record(Put("agents/ada/inbox/x.md", b"one\n"), Put("agents/ada/inbox/y.md", b"two\n"))
    second = box.record(Drop("agents/ada/inbox/x.md"), Put("archive/00/01/x/x.md", b"one\n"))
    ledger = box.ledger
    assert ledger.read("agents/ada/inbox/x.md") is None
    assert ledger.read("agents/ada/inbox/x.md", first) == b"one\n"
    assert ledger.exists("archive/00/01/x/x.md")
    assert ledger.list("agents") == [("agents/ada/inbox/y.md", blob_id(b"two\n"))]
    assert dict(ledger.load(["agents", "archive"])) == {
        "agents/ada/inbox/y.md": b"two\n",
        "archive/00/01/x/x.md": b"one\n",
    }
    one = blob_id(b"one\n")
    changed = {path: (old, new) for path, old, new in ledger.changes(first, second)}
    assert changed.pop(".hub/proposal") != (None, None)
    assert changed == {"agents/ada/inbox/x.md": (one, None), "archive/00/01/x/x.md": (None, one)}
    assert [name for name, _, _ in ledger.children("agents/ada/inbox")] == ["y.md"]
    assert {name: folder for name, _, folder in ledger.children()} == {
        ".hub": True, "agents": True, "archive": True,
    }  # fmt: skip
    assert ledger.blob(one) == b"one\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no newline at the end",
        b"\xef\xbb\xbf---\r\nkind: task\r\n---\r\nbody\r\n",
        b"\x00\xff\xfe binary \r \n",
        b"data 5\ncommit refs/heads/evil\n\nprogress done\n",
        b"x" * 3_000_000,
    ],
)
def test_bytes_come_back_as_they_were(box: Box, data: bytes) -> None:
    box.record(Put("agents/ada/inbox/x.md", data))
    assert box.ledger.read("agents/ada/inbox/x.md") == data
    assert dict(box.ledger.load(["agents"])) == {"agents/ada/inbox/x.md": data}


ODD = [
    "agents/ada/inbox/with space.md",
    'agents/ada/inbox/"quoted".md',
    "agents/ada/inbox/back\\slash.md",
    "agents/ada/inbox/tab\there.md",
    "agents/ada/inbox/new\nline.md",
    "agents/ada/inbox/größe-☃.md",
    "agents/ada/inbox/not-utf8-\udcff.md",
    "agents/ada/inbox/-dash.md",
    "agents/ada/inbox/:colon.md",
    "agents/ada/inbox/x missing",
    "agents/ada/inbox/*.md",
    " leading.md",
]


def test_odd_file_names_are_only_names(box: Box) -> None:
    box.record(*(Put(path, path.encode("utf-8", "surrogateescape")) for path in ODD))
    for path in ODD:
        assert box.ledger.read(path) == path.encode("utf-8", "surrogateescape")
    assert {path for path, _ in box.ledger.load()} == {*ODD, ".hub/proposal"}
    assert [path for path, _ in box.ledger.list("agents/ada/inbox/*.md")] == ["agents/ada/inbox/*.md"]
    box.record(*(Drop(path) for path in ODD))
    assert [path for path, _ in box.ledger.list()] == [".hub/proposal"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "a//b",
        "a/../b",
        "./a",
        "a/.git/config",
        ".GIT/hooks/x",
        "a\0b",
        ".git ",
        "git~1/x",
        ".g\u200cit/x",
    ],
)
def test_what_is_no_path_of_the_tree_is_refused_before_anything_is_written(box: Box, path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        box.record(Put(path, b"x"))
    assert box.ledger.tip() == ""
    assert box.group(1)


def test_names_and_texts_cannot_become_commands_or_other_fields(box: Box) -> None:
    nasty = "Ada <evil@x> 0 +0000\ncommitter Eve <eve@x>"
    commit = Commit(
        subject="one\n\nHub-Actor: eve",
        trailers=(("Hub-Seq", "1\nHub-Actor: eve"), ("Hub-Actor", "ada\r\x00\u2028")),
        author=nasty,
        email="a b>\n@host1",
        when=WHEN - timedelta(days=40_000),
        changes=(),
    )
    box.ledger.record([commit])
    logged = next(box.ledger.messages(""))
    assert logged.subject == "one Hub-Actor: eve"
    assert logged.trailers == {"Hub-Seq": "1 Hub-Actor: eve", "Hub-Actor": "ada"}
    assert logged.author == "Ada evil@x 0 +0000 committer Eve eve@x"
    assert (logged.email, logged.when.year) == ("ab@host1", 1970)
    with pytest.raises(ValueError, match="trailer"):
        box.ledger.record([change(2), Commit("s", (("bad key", "v"),), "a", "a@x", WHEN, ())])
    box.fsck()


def test_every_version_that_a_file_has_been_is_known(box: Box) -> None:
    path, brief = "agents/ada/inbox/x.md", "agents/ada/inbox/brief.md"
    first = box.record(Put(path, b"one"))
    box.record(Put(path, b"two"), Put(brief, b"came"))
    theirs = box.git("commit-tree", f"{first}^{{tree}}", "-p", first, "-m", "theirs").strip()
    box.record(Drop(brief), Put(path, b"three"), second_parent=theirs)
    ids = {word: blob_id(word.encode()) for word in ("one", "two", "three", "came")}
    found = box.ledger.versions(first, box.ledger.tip())
    assert found.keys() == {".hub/proposal", path, brief}
    assert found[path] == {ids["one"], ids["two"], ids["three"]}
    assert found[brief] == {ids["came"]}
    assert box.ledger.versions("", first)[path] == {ids["one"]}
    assert box.ledger.versions(first, first) == {}


def test_history_is_told_newest_first_and_can_be_narrowed(box: Box) -> None:
    commits = [
        Commit(f"s{n}", (("Hub-Seq", str(n)),), "ada", "ada@host1", WHEN + timedelta(hours=n),
               (Put(f"agents/a{n % 2}/inbox/{n}.md", b"x"),))
        for n in range(1, 9)
    ]  # fmt: skip
    ids = box.ledger.record(commits)
    at = [WHEN + timedelta(hours=n) for n in range(9)]
    log = box.ledger.log

    def seqs(logged: Iterator[Logged]) -> list[int | None]:
        return [commit.seq for commit in logged]

    assert seqs(log()) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert seqs(log(2)) == [8, 7]
    assert seqs(log(2, skip=3)) == [5, 4]
    assert seqs(log(start=ids[2])) == [3, 2, 1]
    assert seqs(log(path="agents/a1")) == [7, 5, 3, 1]
    assert seqs(log(path=["agents/a1/inbox/5.md", "agents/a0/inbox/2.md"])) == [5, 2]
    assert seqs(log(path="agents/*")) == []
    assert seqs(log(since=at[3], until=at[5])) == [5, 4, 3]


def test_a_document_is_found_as_it_stood_at_a_sequence_number(box: Box) -> None:
    path = "agents/ada/inbox/x.md"
    box.record(Put(path, b"one"))
    box.group(3)
    box.record(Put(path, b"two"))
    box.record(Drop(path))
    ledger = box.ledger
    assert [ledger.version_at(path, seq) for seq in range(8)] == [
        None, b"one", b"one", b"one", b"one", b"two", None, None,
    ]  # fmt: skip
    found = ledger.at_seq(5)
    assert found is not None
    assert found.subject == "t-5: new -> draft"


def test_a_walk_that_is_left_half_way_disturbs_nobody(box: Box) -> None:
    box.group(700)
    files = box.ledger.load(["agents"])
    assert next(files)[1].startswith(b"document")
    assert box.ledger.read("nowhere.md") is None
    assert next(files)[1].startswith(b"document")
    del files
    next(box.ledger.messages(""))
    assert box.ledger.read("agents/a1/inbox/t-1.md") == b"document 1\n" * 20


def test_delivery_is_noted_and_survives(box: Box) -> None:
    first, second = box.group(2)
    box.ledger.mark_delivered(first)
    assert box.ledger.delivered() == first
    box.ledger.mark_delivered(second)
    assert box.reopen().delivered() == second
    lock = box.root / ".git/refs/hub/delivered.lock"
    lock.touch()
    box.ledger.mark_delivered(first)  # somebody's git holds it: it may lag
    assert box.ledger.delivered() == second
    box.reopen()
    assert not lock.exists()


def test_packed_references_are_found(box: Box) -> None:
    box.group(2)
    box.ledger.mark_delivered(box.ledger.tip())
    box.git("pack-refs", "--all", "--prune")
    assert not (box.root / TRUTH).exists()
    tip = box.ledger.tip()
    assert box.ledger.delivered() == tip
    box.group(1)
    assert box.reopen().tip() != tip
    assert [c.seq for c in box.ledger.log()] == [3, 2, 1]


def test_a_reader_sees_the_truth_move_and_writes_nothing(box: Box) -> None:
    box.group(1)
    reader = Ledger.open(box.root, readonly=True)
    assert reader.tip() == box.ledger.tip()
    assert reader.read("agents/a1/inbox/t-1.md") is not None
    for _ in range(30):
        box.group(1)
    assert reader.tip() == box.ledger.tip()
    assert len(list(reader.log())) == 31
    assert reader.read(f"agents/a{31 % 7}/inbox/t-31.md") is not None
    with pytest.raises(LedgerError, match="reading only"):
        reader.record([change(99)])
    reader.close()


def test_a_reader_that_dies_is_started_again(box: Box) -> None:
    box.group(3)
    assert box.ledger.read("nowhere") is None
    pid = box.ledger.reader_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, os.WNOHANG)
    assert len(dict(box.ledger.load(["agents"]))) == 3
    assert box.ledger.read("agents/a1/inbox/t-1.md") is not None


def test_bytes_that_are_gone_are_an_error_and_not_an_absence(box: Box) -> None:
    box.record(Put("agents/ada/inbox/x.md", b"kept"))
    tree = next(oid for name, oid, _ in box.ledger.children() if name == "agents")
    lost = blob_id(b"never stored")
    line = f"100644 blob {lost}\tx.md\n040000 tree {tree}\tagents\n".encode()
    broken = box.git("mktree", "--missing", stdin=line).strip()
    commit = box.git("commit-tree", broken, "-m", "x").strip()
    with pytest.raises(LedgerError, match="lost the bytes"):
        box.ledger.read("x.md", commit)
    with pytest.raises(LedgerError, match="lost the bytes"):
        list(box.ledger.load(rev=commit))
    with pytest.raises(LedgerError, match="lost the bytes"):
        box.ledger.blob(lost)
    assert box.ledger.read("agents/ada/inbox/x.md", commit) == b"kept"


def test_no_process_is_started_for_a_transition(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.group(1)
    box.ledger.read("nowhere")
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr("git.cmd.safer_popen", None)
    for _ in range(20):
        box.group(1)
        box.ledger.read(f"agents/a1/inbox/t-{box.seq}.md")
        box.ledger.version_at("agents/a1/inbox/t-1.md", 1)
        box.ledger.mark_delivered(box.ledger.tip())
    assert box.ledger.delivered() == box.ledger.tip()


def test_the_values_are_had_without_git_python() -> None:
    probe = "import sys, hubd.ledger; sys.exit('git' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
