"""`hubctl connect`: real folders, real git, and everything as it was when it is taken out again."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubd.cli
from hubd.connecting import CLIENTS, plan
from hubd.connecting.files import Folder
from hubd.connecting.spans import Unfit
from hubd.founding import found

Run = Callable[..., tuple[int, dict[str, Any]]]
LOCAL = {
    "claude": {"CLAUDE.local.md", ".mcp.json", ".claude/settings.local.json"},
    "codex": {".codex/config.toml"},
    "gemini": {"GEMINI.md", ".gemini/settings.json"},
    "cursor": {".cursor/rules/hubd.mdc", ".cursor/mcp.json"},
    "opencode": {".opencode/hubd.md", ".opencode/opencode.json"},
}


def git(folder: Path, *args: str) -> str:
    env = {"HOME": str(folder), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *who, *args], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mail") / "box"
    with found(root, ["backend", "lead"]):
        pass
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    top = tmp_path / "shop"
    top.mkdir()
    git(top, "init", "-q")
    (top / "README.md").write_text("A shop.\n")
    git(top, "add", ".")
    git(top, "commit", "-qm", "Begin")
    return top


@pytest.fixture
def run(
    mailbox: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    for name in ("HUB_AGENT", "HUB_RUN", "HUB_MAILBOX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(project.parent))

    def connect(client: str, *args: str, name: str = "backend") -> tuple[int, dict[str, Any]]:
        words = ["-C", str(mailbox), "--json", "connect", client, "--project", str(project), *args]
        code = hubd.cli.main([*words, *(("--as", name) if name else ())])
        return code, json.loads(capsys.readouterr().out)

    return connect


def tree(top: Path) -> dict[str, bytes | str]:
    """Everything below a folder: files, links and folders, and the one file of git's that may change."""
    there = {str(path.relative_to(top)): path for path in sorted(top.rglob("*"))}
    return {
        name: os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
        for name, path in there.items()
        if not name.startswith(".git/") or name == ".git/info/exclude"
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_it_is_written_once_and_leaves_no_trace(client: str, run: Run, project: Path) -> None:
    before = tree(project)
    code, told = run(client, "--check")
    assert (code, told["code"]) == (1, "outdated")
    assert tree(project) == before
    code, told = run(client)
    assert code == 0
    after = tree(project)
    assert {name for name, data in after.items() if data != "folder"} - set(before) == LOCAL[client]
    assert not git(project, "status", "--porcelain"), "nothing of it would be committed"
    assert run(client, "--check")[0] == 0
    assert run(client)[0] == 0
    assert tree(project) == after
    assert run(client, "--check", name="lead")[0] == 1
    code, told = run(client, "--remove", name="")
    assert code == 0
    assert tree(project) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_shared_is_seen_by_git(client: str, run: Run, project: Path) -> None:
    before = tree(project)
    run(client)
    assert run(client, "--shared")[0] == 0
    assert tree(project)[".git/info/exclude"] == before[".git/info/exclude"]
    made = {name for name, data in tree(project).items() if data != "folder"} - set(before)
    assert set(git(project, "ls-files", "--others").split()) == made
    assert not any("local" in name for name in made), "what was one person's own is gone"
    assert run(client, "--shared", "--check")[0] == 0
    run(client, "--remove", name="")
    assert tree(project) == before


def test_clients_side_by_side_leave_each_other_alone(run: Run, project: Path) -> None:
    before = tree(project)
    for client in CLIENTS:
        assert run(client)[0] == 0
    for client in CLIENTS:
        assert run(client, "--check")[0] == 0
    for client in CLIENTS:
        assert run(client, "--remove", name="")[0] == 0
    assert tree(project) == before


def test_what_stands_there_stays(run: Run, project: Path) -> None:
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.local.json").write_bytes(b'{\r\n\t"model": "opus"\r\n}')
    (project / "CLAUDE.local.md").write_bytes(b"Be brief.")
    (project / "CLAUDE.local.md").chmod(0o640)
    before = tree(project)
    assert run("claude")[0] == 0
    text = (project / "CLAUDE.local.md").read_bytes()
    assert text.startswith(b"Be brief.\n\n<!-- hubctl connect claude, version 1")
    assert stat.S_IMODE((project / "CLAUDE.local.md").stat().st_mode) == 0o640
    settings = (project / ".claude" / "settings.local.json").read_bytes()
    assert settings.startswith(b'{\r\n\t"model": "opus",\r\n\t"hooks": {\r\n\t\t"SessionStart"')
    assert b"hook Stop # hubctl connect" in settings
    run("claude", "--remove", name="")
    assert tree(project) == before


def test_print_shows_a_diff_and_changes_nothing(
    run: Run, mailbox: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(project)
    words = ["-C", str(mailbox), "--as", "backend", "connect", "codex", "--project", str(project), "--print"]
    assert hubd.cli.main(words) == 0
    shown = capsys.readouterr().out
    assert "--- /dev/null\n+++ b/.codex/config.toml\n" in shown
    assert "+[mcp_servers.hub]\n" in shown
    assert "+++ b/.git/info/exclude\n" in shown
    assert tree(project) == before


def test_a_committed_file_is_not_changed_for_one_person(run: Run, project: Path) -> None:
    (project / "GEMINI.md").write_text("Rules.\n")
    git(project, "add", "GEMINI.md")
    before = tree(project)
    code, told = run("gemini")
    assert (code, told["code"]) == (1, "unfit")
    assert "GEMINI.md is committed" in told["message"]
    assert "--shared" in told["hint"]
    assert tree(project) == before
    assert run("gemini", "--shared")[0] == 0


def test_a_committed_mcp_json_is_left_as_it_is(
    run: Run, mailbox: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".mcp.json").write_text("{}\n")
    git(project, "add", ".mcp.json")
    words = ["-C", str(mailbox), "--as", "backend", "connect", "claude", "--project", str(project)]
    assert hubd.cli.main(words) == 0
    assert "run: claude mcp add --scope local hub -- " in capsys.readouterr().out
    assert (project / ".mcp.json").read_text() == "{}\n"
    assert run("claude", "--check")[0] == 0


def test_what_is_ignored_already_is_not_named_again(run: Run, project: Path) -> None:
    (project / ".gitignore").write_text("CLAUDE.local.md\n.claude/\n")
    run("claude")
    rows = (project / ".git" / "info" / "exclude").read_text().splitlines()
    assert [row for row in rows if row.startswith("/")] == ["/.mcp.json"]


def test_a_folder_below_the_top_is_named_from_the_top(run: Run, project: Path) -> None:
    below = project / "a [b]" / "web"
    below.mkdir(parents=True)
    run("codex", "--project", str(below))
    assert (below / ".codex" / "config.toml").exists()
    assert not git(project, "status", "--porcelain")


def test_a_worktree_shares_what_is_ignored(run: Run, project: Path) -> None:
    git(project, "worktree", "add", "-q", "../tree", "-b", "b")
    there = project.parent / "tree"
    before = tree(project)
    run("codex", "--project", str(there))
    assert not git(there, "status", "--porcelain")
    run("codex", "--project", str(there), "--remove", name="")
    assert not (there / ".codex").exists()
    assert tree(project) == before


def test_without_git_nothing_is_ignored(run: Run, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert run("codex", "--project", str(plain))[0] == 0
    assert set(tree(plain)) == {".codex", ".codex/config.toml"}
    assert run("codex", "--project", str(plain), "--remove", name="")[0] == 0
    assert not list(plain.iterdir())


def test_a_link_out_of_the_project_is_refused_and_nothing_is_touched(run: Run, project: Path) -> None:
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "settings.local.json").write_text("{}")
    (project / ".claude").symlink_to(outside)
    before = tree(project)
    code, told = run("claude")
    assert (code, told["code"]) == (1, "unfit")
    assert ".claude/settings.local.json: it leads out of the project" in told["message"]
    assert tree(project) == before
    assert (outside / "settings.local.json").read_text() == "{}"


def test_a_link_within_the_project_is_followed_and_stays(run: Run, project: Path) -> None:
    (project / "AGENTS.md").write_text("Rules.\n")
    (project / "CLAUDE.md").symlink_to("AGENTS.md")
    before = tree(project)
    assert run("claude", "--shared")[0] == 0
    assert run("codex", "--shared")[0] == 0
    assert (project / "CLAUDE.md").is_symlink()
    text = (project / "AGENTS.md").read_text()
    assert (
        text.count("version 1"),
        text.count("This is for Claude Code"),
        text.count("This is for Codex"),
    ) == (2, 1, 1)
    assert run("claude", "--remove", name="")[0] == 0
    assert run("codex", "--remove", name="")[0] == 0
    assert tree(project) == before


@pytest.mark.parametrize("kind", ["dangling", "into git", "fifo", "folder", "broken"])
def test_a_hostile_file_is_refused_and_nothing_is_touched(kind: str, run: Run, project: Path) -> None:
    path = project / ".mcp.json"
    match kind:
        case "dangling":
            path.symlink_to("nowhere.json")
        case "into git":
            path.symlink_to(".git/config")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.write_text('{"mcpServers": {')
    there = sorted(os.listdir(project))
    exclude = (project / ".git" / "info" / "exclude").read_bytes()
    code, told = run("claude")
    assert (code, told["code"]) == (1, "unfit")
    assert ".mcp.json: " in told["message"]
    assert told["hint"]
    assert sorted(os.listdir(project)) == there
    assert (project / ".git" / "info" / "exclude").read_bytes() == exclude


def test_where_one_write_fails_those_before_are_taken_back(project: Path) -> None:
    folder = Folder(project)
    (project / "b").write_text("as read")
    changes = [
        plan.Change(folder, "new/a", "new/a", None, b"made"),
        plan.Change(folder, "b", "b", b"as read a while ago", b"changed"),
    ]
    before = tree(project)
    with pytest.raises(Unfit, match="b: somebody has just changed it"):
        plan.carry_out(plan.Survey(changes))
    assert tree(project) == before


def test_a_mailbox_is_no_project(run: Run, mailbox: Path) -> None:
    before = (mailbox / ".git" / "info" / "exclude").read_bytes()
    for folder in (mailbox, mailbox / "agents" / "backend"):
        assert run("claude", "--project", str(folder))[1]["code"] == "in-mailbox"
    assert (mailbox / ".git" / "info" / "exclude").read_bytes() == before


def test_the_member_must_be_named_and_known(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("claude", name="")[1]["hint"].startswith("say --as")
    assert run("claude", name="nobody")[1]["code"] == "unknown-agent"
    monkeypatch.setenv("HUB_AGENT", "backend")
    monkeypatch.setenv("HUB_RUN", "run-1")
    assert run("claude")[1]["code"] == "not-yours"
