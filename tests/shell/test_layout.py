"""Paths of a mailbox, the names in its folders, and making the folders without following a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.layout import AGENT_FOLDERS, Layout, MailboxError, Naming, find, naming, shown


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "mailbox"
    (root / ".git" / "hub").mkdir(parents=True)
    (root / "hub.yaml").touch()
    return Layout(root)


def test_a_mailbox_is_found_from_any_folder_below_it(layout: Layout) -> None:
    layout.folders(["ada"])
    assert find(cwd=layout.inbox("ada")) == layout
    assert find(given=layout.inbox("ada"), cwd=Path("/")) == layout
    assert find(variable=str(layout.root)) == layout
    assert find(given="agents/ada", cwd=layout.root) == layout


def test_a_mailbox_is_found_through_a_link_to_it(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(layout.root)
    assert find(given=tmp_path / "link") == layout


def test_what_is_named_outright_is_not_replaced_by_a_guess(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(MailboxError, match="elsewhere") as caught:
        find(given=tmp_path / "elsewhere", variable=str(layout.root), cwd=layout.root)
    assert "init" in caught.value.hint
    with pytest.raises(MailboxError) as caught:
        find(variable=str(tmp_path / "missing"), cwd=layout.root)
    assert "HUB_MAILBOX" in caught.value.hint


def test_a_plain_repository_is_no_mailbox(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "hub.yaml").touch()
    assert not Layout(tmp_path).exists
    (tmp_path / "real").mkdir()
    (tmp_path / ".git" / "hub").symlink_to(tmp_path / "real")
    assert not Layout(tmp_path).exists


def test_a_circle_of_links_is_no_mailbox(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(MailboxError):
        find(given=tmp_path / "a")


def test_missing_folders_are_made_once(layout: Layout) -> None:
    first = layout.folders(["ada", "ben"])
    assert not first.blocked
    assert {layout.inbox("ada"), layout.refused("ben"), layout.swap, layout.cards} <= set(first.made)
    assert all(path.is_dir() for path in first.made)
    assert {path.name for path in layout.agent("ada").iterdir()} == set(AGENT_FOLDERS)
    assert layout.folders(["ada", "ben"]).made == ()
    layout.outbox("ada").rmdir()
    assert layout.folders(["ada", "ben"]).made == (layout.outbox("ada"),)


def test_what_only_the_hub_may_see_is_made_private(layout: Layout) -> None:
    layout.folders()
    for private in (layout.swap, layout.tmp, layout.quarantine, layout.logs):
        assert private.stat().st_mode & 0o077 == 0


def test_no_folder_is_made_through_a_link(layout: Layout, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    layout.agents.mkdir()
    layout.agent("eve").symlink_to(outside)
    layout.folders(["ada"])
    layout.inbox("ada").rmdir()
    layout.inbox("ada").symlink_to(outside)
    layout.drafts("ada").rmdir()
    layout.drafts("ada").write_text("a file")
    found = layout.folders(["ada", "eve"])
    assert {layout.agent("eve"), layout.inbox("ada"), layout.drafts("ada"), layout.inbox("eve")} <= set(
        found.blocked
    )
    assert found.made == ()
    assert list(outside.iterdir()) == []


def test_only_real_folders_are_watched(layout: Layout, tmp_path: Path) -> None:
    layout.folders(["ada", "ben"])
    layout.waiting("ben").rmdir()
    layout.waiting("ben").symlink_to(tmp_path)
    (layout.agents / "eve").symlink_to(tmp_path)
    (layout.agents / "Not-A-Name").mkdir()
    watched = layout.watched()
    assert layout.root in watched
    assert layout.outbox("ada") in watched
    assert layout.drafts("ada") not in watched
    assert layout.waiting("ben") not in watched
    assert not [path for path in watched if path.name in ("eve", "Not-A-Name")]


def test_a_path_of_the_ledger_becomes_one_on_disk_and_back(layout: Layout) -> None:
    assert layout.path("agents/ada/inbox/x.md") == layout.inbox("ada") / "x.md"
    assert layout.relative(layout.inbox("ada") / "x.md") == "agents/ada/inbox/x.md"
    assert layout.relative(layout.root) is None
    assert layout.relative("/somewhere/else") is None
    assert layout.relative(f"{layout.root}/agents/../../x") is None


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../b", "./a", "a//b", "a/", ".git/config", "a\0b"])
def test_a_path_that_leads_out_is_refused(layout: Layout, path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        layout.path(path)


@pytest.mark.parametrize("name", ["..", "a/b", "Ada", "", "ada\n", "-x", "x" * 64])
def test_only_a_name_becomes_an_agents_folder(layout: Layout, name: str) -> None:
    with pytest.raises(ValueError, match="not an agent's name"):
        layout.inbox(name)


@pytest.mark.parametrize(
    "name", ["x.md", "fix-login-7f3k.r1.a1.md", "0.md", "a" * 100 + ".md", "x.tmp.md", "sed.md"]
)
def test_a_document_has_such_a_name(name: str) -> None:
    assert naming(name) is Naming.DOCUMENT


@pytest.mark.parametrize(
    "name",
    [
        "4913",
        "5036",
        ".x.md.swp",
        ".x.md.swx",
        "x.md~",
        ".#x.md",
        "#x.md#",
        "sedAb3dE9",
        "x.md.tmp",
        ".x.md.tmp",
        "x.md.tmp.4711.1700000000",
        ".goutputstream-AB12CD",
        "x.tmp",
        ".tmp1234",
        "tmpab12cd_9",
        "x.md.swp",
        "x.md.sb-1a2b3c4d-AbCdEf",
        "x.md___jb_tmp___",
        "x.md___jb_old___",
        "x.md.123456",
        "x.md.AbCdEf",
        "x.md.~1~",
        "x.md.bak",
        ".DS_Store",
        "x.md.crswap",
        "~$x.md",
        "X Y.md~",
        ".obsidian",
        "x.md.vsctmp",
        "Icon\r",
        ".x.md",
    ],
)
def test_what_an_editor_makes_for_a_moment_is_ignored(name: str) -> None:
    assert naming(name) is Naming.IGNORED


@pytest.mark.parametrize(
    "name",
    [
        "X.md",
        "x.MD",
        "my task.md",
        "x.txt",
        "x",
        "tâche.md",
        "x.md.txt",
        "-x.md",
        "_x.md",
        "a" * 101 + ".md",
        "4914",
        "49130000",
        "\udcff.md",
        "x\n.md",
        "x.md\n",
        "readme.markdown",
        "x (copy).md",
        "04913",
    ],
)
def test_what_somebody_meant_as_a_document_is_refused_not_ignored(name: str) -> None:
    assert naming(name) is Naming.BAD


@given(st.binary(min_size=1, max_size=60))
def test_no_name_that_a_disk_can_hold_is_too_odd_to_judge_or_to_show(raw: bytes) -> None:
    name = os.fsdecode(raw)
    assert naming(name) in Naming
    text = shown(name)
    assert text.isprintable()
    text.encode("utf-8")


def test_a_name_that_is_not_utf8_is_shown_by_its_bytes() -> None:
    assert shown(os.fsdecode(b"caf\xe9\n.md")) == "caf\\xe9\\n.md"
    assert shown("tâche.md") == "tâche.md"
