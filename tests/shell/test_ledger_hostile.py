"""A mailbox that wants to run code, or to show another history. Every trap leaves a marker if it springs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.ledger import Drop, Ledger, LedgerError, Put, plumbing
from hubd.ledger.gitdir import ATTRIBUTES, CONFIG
from tests.shell.ledgers import Box

DOCUMENT = "agents/ada/inbox/x.md"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "mailbox")
    box.deliver(Put(DOCUMENT, b"one\n"), Put("README.md", b"read\n"))
    yield box
    box.ledger.close()


class Trap:
    """A script that leaves a marker."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "SPRUNG"
        self.script = folder / "trap.sh"
        self.script.write_text(f'#!/bin/sh\necho "$0 $@" >> {self.marker}\ncat\n')
        self.script.chmod(0o755)

    def sprung(self) -> bool:
        return self.marker.exists()


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


def work(box: Box) -> None:
    """Everything a hub does with its ledger."""
    ledger = box.ledger
    box.deliver(Put(DOCUMENT, f"seq {box.seq}\n".encode()), Put("archive/00/00/a.md", b"a"))
    box.deliver(Drop("archive/00/00/a.md"))
    assert ledger.read(DOCUMENT)
    assert list(ledger.load(["agents"]))
    assert list(ledger.log(path="agents"))
    assert list(ledger.messages(""))
    assert ledger.changes("", ledger.tip())
    ledger.mark_delivered(ledger.tip())
    assert ledger.follow() is None
    assert ledger.refresh_index()
    ledger.roll_up()
    ledger.idle()


def config(trap: Trap) -> str:
    return f"""
[core]
	hooksPath = {trap.script.parent}/hooks
	fsmonitor = {trap.script}
	attributesFile = {trap.script.parent}/attributes
	editor = {trap.script}
	pager = {trap.script}
	sshCommand = {trap.script}
	gitProxy = {trap.script}
	alternateRefsCommand = {trap.script}
	askPass = {trap.script}
	autocrlf = true
[filter "evil"]
	clean = {trap.script}
	smudge = {trap.script}
	process = {trap.script}
	required = true
[diff]
	external = {trap.script}
[diff "evil"]
	textconv = {trap.script}
	command = {trap.script}
[merge "evil"]
	driver = {trap.script}
[gpg]
	program = {trap.script}
[log]
	showSignature = true
[commit]
	gpgSign = true
[uploadpack]
	packObjectsHook = {trap.script}
[remote "origin"]
	url = ext::{trap.script}
	promisor = true
	partialclonefilter = blob:none
[protocol]
	allow = always
[protocol "ext"]
	allow = always
[include]
	path = {trap.script.parent}/included
[alias]
	ls-tree = !{trap.script}
	cat-file = !{trap.script}
"""


HOOKS = (
    "reference-transaction", "post-index-change", "pre-commit", "post-commit", "post-checkout", "update",
    "fsmonitor-watchman", "pre-auto-gc", "post-rewrite", "pre-push",
)  # fmt: skip


def plant(box: Box, trap: Trap) -> None:
    """Hooks, attributes and a configuration that run the trap from wherever git would look."""
    hooks = [box.root / ".git/hooks", trap.script.parent / "hooks"]
    for folder in hooks:
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            (folder / name).write_bytes(trap.script.read_bytes())
            (folder / name).chmod(0o755)
    attributes = "* filter=evil diff=evil merge=evil text eol=crlf ident working-tree-encoding=UTF-16\n"
    inside = [box.root / name for name in (".gitattributes", "agents/.gitattributes", ".git/info/attributes")]
    for path in (*inside, trap.script.parent / "attributes"):
        path.write_text(attributes)
    (trap.script.parent / "included").write_text(config(trap).replace("[include]", "[other]"))
    (box.root / ".git/config").write_text(CONFIG + config(trap))


def test_nothing_planted_runs_and_it_is_put_back(box: Box, trap: Trap) -> None:
    box.ledger.close()
    plant(box, trap)
    box.ledger = Ledger.open(box.root)
    assert len(box.ledger.warnings) == 2
    assert all("put back" in warning and "quarantine" in warning for warning in box.ledger.warnings)
    assert (box.root / ".git/config").read_text() == CONFIG
    assert (box.root / ".git/info/attributes").read_text() == ATTRIBUTES
    kept = list((box.root / ".git/hub/quarantine").glob("config.*"))
    assert len(kept) == 1
    assert "filter" in kept[0].read_text()
    work(box)
    box.git("status")
    assert not trap.sprung()
    assert Ledger.open(box.root, readonly=True).warnings == []


def test_nothing_planted_beside_a_running_hub_runs(box: Box, trap: Trap) -> None:
    work(box)
    plant(box, trap)
    work(box)
    assert not trap.sprung()
    assert (box.root / ".git/config").read_text() == CONFIG


def test_a_configuration_that_changes_after_it_was_looked_at_runs_nothing(
    box: Box, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(box)
    box.ledger.close()
    plant(box, trap)
    (box.root / ".git/info/attributes").write_text(ATTRIBUTES)
    monkeypatch.setattr(plumbing.Ground, "check", lambda _: None)
    work(box)
    assert not trap.sprung()
    assert "filter" in (box.root / ".git/config").read_text()


def test_the_trap_springs_for_a_git_that_is_not_guarded(box: Box, trap: Trap) -> None:
    plant(box, trap)
    box.git("status", ok=range(256))
    assert trap.sprung()


def test_a_reader_is_not_led_astray_and_changes_nothing(box: Box, trap: Trap) -> None:
    box.ledger.close()
    plant(box, trap)
    before = (box.root / ".git/config").read_bytes()
    reader = Ledger.open(box.root, readonly=True)
    assert reader.warnings
    assert reader.read(DOCUMENT) == b"one\n"
    assert reader.read("nowhere.md") is None
    assert list(reader.load())
    assert list(reader.log(path="agents"))
    assert list(reader.messages(""))
    assert reader.changes("", reader.tip())
    reader.close()
    assert not trap.sprung()
    assert (box.root / ".git/config").read_bytes() == before


def test_the_callers_environment_does_not_reach_git(
    box: Box, trap: Trap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    box.ledger.close()
    elsewhere = tmp_path / "elsewhere"
    subprocess.run(["git", "init", "-q", str(elsewhere)], check=True)
    (trap.script.parent / "included").write_text(config(trap))
    hostile = {
        "GIT_DIR": str(elsewhere / ".git"),
        "GIT_WORK_TREE": str(elsewhere),
        "GIT_INDEX_FILE": str(elsewhere / "index"),
        "GIT_OBJECT_DIRECTORY": str(elsewhere / ".git/objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(elsewhere / ".git/objects"),
        "GIT_COMMON_DIR": str(elsewhere / ".git"),
        "GIT_NAMESPACE": "other",
        "GIT_CONFIG_GLOBAL": str(trap.script.parent / "included"),
        "GIT_CONFIG_SYSTEM": str(trap.script.parent / "included"),
        "GIT_CONFIG_PARAMETERS": "'core.fsync'='none'",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap.script),
        "GIT_EXTERNAL_DIFF": str(trap.script),
        "GIT_SSH_COMMAND": str(trap.script),
        "GIT_TRACE": str(trap.marker),
        "GIT_TRACE2_EVENT": str(trap.marker),
        "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z",
        "GIT_COMMITTER_NAME": "eve",
        "GIT_REPLACE_REF_BASE": "refs/heads/",
        "GIT_SHALLOW_FILE": str(trap.script),
        "GIT_LITERAL_PATHSPECS": "0",
        "LANG": "de_DE.UTF-8",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    box.ledger = Ledger.open(box.root)
    work(box)
    box.ledger.close()
    assert not trap.sprung()
    assert not (elsewhere / "index").exists()
    assert len(list((elsewhere / ".git/objects").rglob("*"))) == 2
    for name in hostile:
        monkeypatch.delenv(name)
    assert box.git("log", "-1", "--format=%cn", "refs/hub/main").strip() == "hubd"
    box.fsck()


def test_a_replaced_object_is_not_seen(box: Box) -> None:
    blob = box.git("rev-parse", f"refs/hub/main:{DOCUMENT}").strip()
    other = box.git("hash-object", "-w", "--stdin", stdin=b"another history\n").strip()
    first = box.ledger.tip()
    box.record(Put("agents/ada/inbox/y.md", b"y"))
    box.git("replace", blob, other)
    box.git("replace", box.ledger.tip(), first)
    ledger = box.reopen()
    assert box.git("cat-file", "blob", blob) == "another history\n"
    assert ledger.read(DOCUMENT) == b"one\n"
    assert ledger.read("agents/ada/inbox/y.md") == b"y"
    assert [c.seq for c in ledger.log()] == [2, 1]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("objects/info/alternates", b"/somewhere/objects\n"),
        ("objects/info/http-alternates", b"http://127.0.0.1/\n"),
        ("commondir", b"../../other/.git\n"),
        ("info/grafts", b"\n"),
        ("shallow", b"\n"),
    ],
)
def test_a_git_dir_that_leads_elsewhere_is_refused(box: Box, path: str, data: bytes) -> None:
    (box.root / ".git" / path).write_bytes(data)
    for readonly in (True, False):
        with pytest.raises(LedgerError, match=path) as caught:
            Ledger.open(box.root, readonly=readonly)
        assert f"remove .git/{path}" in caught.value.hint


@pytest.mark.parametrize("name", ["", "objects", "objects/pack", "refs", "refs/hub", "hub", "hub/tmp"])
def test_a_link_where_a_folder_belongs_is_refused(box: Box, name: str, tmp_path: Path) -> None:
    box.ledger.close()
    path = box.root / ".git" / name
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(LedgerError, match="not a plain folder"):
        Ledger.open(box.root)
    path.unlink()
    with pytest.raises(LedgerError, match=r"missing|not a plain folder"):
        Ledger.open(box.root)
    (tmp_path / "moved").rename(path)
    assert box.reopen().read(DOCUMENT) == b"one\n"


@pytest.mark.parametrize("name", ["config", "HEAD"])
def test_a_link_or_a_pipe_where_a_file_belongs_is_refused(box: Box, name: str, tmp_path: Path) -> None:
    path = box.root / ".git" / name
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(LedgerError, match="not a plain file"):
        Ledger.open(box.root)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(LedgerError, match="not a plain file"):
        Ledger.open(box.root)
    path.unlink()
    (tmp_path / "moved").rename(path)


def test_a_git_file_instead_of_a_git_dir_is_refused(box: Box, tmp_path: Path) -> None:
    box.ledger.close()
    (box.root / ".git").rename(tmp_path / "real")
    (box.root / ".git").write_text(f"gitdir: {tmp_path}/real\n")
    with pytest.raises(LedgerError, match="not a plain folder"):
        Ledger.open(box.root)
    (box.root / ".git").unlink()
    (tmp_path / "real").rename(box.root / ".git")


def test_bytes_are_exact_for_people_with_another_idea_of_line_ends(box: Box) -> None:
    (box.home / ".gitconfig").write_text("[core]\n\tautocrlf = true\n\tsafecrlf = true\n\teol = crlf\n")
    exact = {
        "agents/ada/inbox/crlf.md": b"a\r\nb\r\n",
        "agents/ada/inbox/bom.md": b"\xef\xbb\xbfa\nb\r\n$Id$\n",
    }
    box.deliver(*(Put(path, data) for path, data in exact.items()))
    box.ledger.follow()
    assert box.ledger.refresh_index()
    assert box.git("status", "--porcelain") == ""
    for path, data in exact.items():
        (box.root / path).unlink()
        box.git("checkout", "--", path)
        assert (box.root / path).read_bytes() == data
    box.git("add", ".")
    assert box.git("status", "--porcelain") == ""
