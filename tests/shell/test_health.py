"""What a machine has of what an agent needs is found and told, with what can be done."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hubd.launch.health import Check, checks, client_health
from hubd.launch.presets import PLAIN, PRESETS


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("bin", "home", "project"):
        (tmp_path / name).mkdir()
    return tmp_path


def program(place: Path, name: str, script: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def base(place: Path) -> Mapping[str, str]:
    return {"PATH": f"{place}/bin", "HOME": f"{place}/home", "TMPDIR": "/nowhere"}


def found(place: Path, **header: object) -> dict[str, Check]:
    header = {"directory": str(place / "project"), **header}
    return {check.name: check for check in checks(header, "Be brief.", base(place))}


def test_a_client_that_is_there_tells_its_version(place: Path) -> None:
    program(place, "codex", "echo 'a warning 1' >&2; echo 'codex-cli 0.169.0'")
    client = client_health(PRESETS["codex"], base(place))
    assert client == (f"{place}/bin/codex", "codex-cli 0.169.0", "")


def test_a_client_that_is_missing_is_named_with_how_to_get_it(place: Path) -> None:
    assert client_health(PRESETS["claude"], base(place)).problem == "`claude` is not in the PATH"
    check = found(place, command="claude")["client"]
    assert not check.ok
    assert "npm install -g @anthropic-ai/claude-code" in check.hint


def test_a_client_that_does_not_answer_is_given_up(place: Path) -> None:
    program(place, "claude", "/bin/sleep 60 & /bin/sleep 60")
    began = time.monotonic()
    client = client_health(PRESETS["claude"], base(place), patience=0.3)
    assert client.problem == "it did not tell its version in 0.3 s"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("script", "problem"), [("true", "does not tell"), ("echo no", "does not tell")])
def test_a_client_without_a_version_is_a_problem(place: Path, script: str, problem: str) -> None:
    program(place, "claude", script)
    assert problem in client_health(PRESETS["claude"], base(place)).problem


def test_a_file_that_is_no_program_cannot_be_started(place: Path) -> None:
    program(place, "claude", "")
    (place / "bin" / "claude").write_text("#!/no/such/interpreter\n")
    assert "cannot be started" in client_health(PRESETS["claude"], base(place)).problem


def test_of_a_plain_program_only_its_place_is_asked(place: Path) -> None:
    program(place, "agent", f"touch {place}/started")
    assert client_health(PLAIN, base(place), "agent") == (f"{place}/bin/agent", "", "")
    assert found(place, command=["agent", "--fast"])["client"].ok
    assert not (place / "started").exists()


def test_a_directory_is_there_or_not(place: Path) -> None:
    assert found(place, command="claude")["directory"].ok
    gone = found(place, command="claude", directory=str(place / "gone"))["directory"]
    assert (gone.ok, gone.said) == (False, f"{place}/gone is not there")
    assert "names none" in found(place, command="claude", directory="")["directory"].said


def test_a_worktree_needs_a_repository(place: Path) -> None:
    if any((above / ".git").exists() for above in place.parents):
        pytest.skip("the temporary folder lies in a git repository")
    check = found(place, command="claude", worktree={"base": "main"})["directory"]
    assert not check.ok
    assert "git init" in check.hint
    (place / "project" / ".git").mkdir()
    assert found(place, command="claude", worktree={"base": "main"})["directory"].ok


def test_instructions_and_mcp_servers_are_looked_for_where_the_client_reads_them(place: Path) -> None:
    before = found(place, command="claude")
    assert not before["instructions"].ok
    assert not before["mcp"].ok
    (place / "project" / "CLAUDE.md").write_text("Be brief.\n")
    (place / "project" / ".mcp.json").write_text("{}\n")
    after = found(place, command="claude")
    assert (after["instructions"].ok, after["instructions"].said) == (True, "CLAUDE.md")
    assert (after["mcp"].ok, after["mcp"].said) == (True, ".mcp.json")
    assert "instructions" not in found(place, command=["cat"])


def test_what_confines_a_client_is_looked_for(place: Path) -> None:
    check = found(place, command="claude")["sandbox"]
    assert (check.ok, check.said) == (False, "without bwrap and socat it may run no command")
    check = found(place, command="claude", allowed_tools=["Bash"])["sandbox"]
    assert (check.ok, check.said) == (False, "without bwrap and socat its commands run outside of a sandbox")
    program(place, "bwrap", "")
    program(place, "socat", "")
    assert found(place, command="claude")["sandbox"].ok


@pytest.mark.parametrize(
    ("client", "mode"),
    [("claude", "bypassPermissions"), ("codex", "danger-full-access"), ("gemini", "yolo")],
)
def test_a_mode_that_opens_everything_is_told(place: Path, client: str, mode: str) -> None:
    check = found(place, command=client, permission_mode=mode)["sandbox"]
    assert not check.ok
    assert mode in check.said


def test_a_client_without_a_sandbox_is_told(place: Path) -> None:
    check = found(place, command="opencode")["sandbox"]
    assert (check.ok, check.said) == (False, "the commands it runs may write everywhere")


def test_codex_must_not_have_its_home_below_the_temporary_folder(place: Path) -> None:
    header = {
        "command": "codex",
        "directory": str(place / "project"),
        "env": {"CODEX_HOME": "/nowhere/codex"},
    }
    (check,) = (c for c in checks(header, "", base(place)) if c.name == "sandbox")
    assert not check.ok
    assert "no command will run" in check.said
    assert found(place, command="codex")["sandbox"].ok


def test_what_a_client_cannot_do_is_told(place: Path) -> None:
    header = {
        "command": "codex",
        "budget_usd": "1",
        "allowed_tools": ["Bash"],
        "permission_mode": "acceptEdits",
    }
    said = [c.said for c in checks(header, "", base(place)) if c.name == "card"]
    assert len(said) == 3
    assert any("`budget_usd` has no effect" in line for line in said)
    assert any("`permission_mode: acceptEdits` is none of codex's" in line for line in said)


def test_a_mode_in_which_no_handoff_can_be_written_is_told(place: Path) -> None:
    assert "from writing a handoff" in found(place, command="claude", permission_mode="plan")["card"].said


def test_a_variable_that_the_hub_does_not_have_is_told_by_its_name(place: Path) -> None:
    check = found(place, command="claude", pass_env=["API_KEY"])["environment"]
    assert (check.ok, check.said) == (False, "the hub's environment has no API_KEY")


def test_an_agent_in_a_container_needs_nothing_of_this_machine(place: Path) -> None:
    assert not {"client", "sandbox"} & set(found(place, command="claude", runtime="container"))


def test_the_environment_of_this_process_is_looked_at_where_none_is_given() -> None:
    header = {"command": ["sh"], "directory": "/"}
    assert {check.name: check.ok for check in checks(header)} == {"directory": True, "client": True}
    assert os.environ["PATH"]
