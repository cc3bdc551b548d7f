"""`hubctl service` and `hubctl man`: what they write is read by the programs it is written for."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hubd.cli import hubctl
from hubd.cli.service import unit
from hubd.founding import found
from hubd.layout import Layout
from tests.shell.commands import Box, environment, program

NASTY = 'my "mail" 50% $HOME'
NO_SYSTEMD = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    with found(tmp_path / NASTY, ("lead",)):
        pass
    return Box(tmp_path / NASTY)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and a PATH without anybody's systemctl."""
    (tmp_path / "bin").mkdir()
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def units(config: dict[str, str]) -> list[Path]:
    return sorted(Path(config["XDG_CONFIG_HOME"]).rglob("*.*"))


def supervisor(config: dict[str, str], answer: str = "exit 0") -> Path:
    """Put a systemctl in the PATH that writes down what it is told."""
    said = Path(config["HOME"]) / "said"
    script = Path(config["PATH"]) / "systemctl"
    script.write_text(f'#!/bin/sh\necho "$*" >> {said}\n{answer}\n')
    script.chmod(0o755)
    return said


def test_a_service_is_written_shown_and_removed(box: Box, config: dict[str, str]) -> None:
    said = supervisor(config)
    assert "not installed" in box.ok("service", "status", **config)
    assert "started hubd-my-mail-50-home-" in box.ok("service", "install", **config)
    (path,) = units(config)
    assert path.parent == Path(config["XDG_CONFIG_HOME"]) / "systemd/user"
    words = said.read_text().splitlines()
    assert words[1:] == ["--user daemon-reload", f"--user enable --now {path.name}"]
    before = path.read_bytes()
    box.ok("service", "install", **config)
    assert path.read_bytes() == before
    assert "written now" not in box.ok("service", "status", **config)
    path.write_text(path.read_text() + "# older\n")
    assert "it is not what would be written now" in box.ok("service", "status", **config)
    assert "removed" in box.ok("service", "uninstall", **config)
    assert units(config) == []
    assert f"--user disable --now {path.name}" in said.read_text()
    assert "no service is installed" in box.ok("service", "uninstall", **config)


def test_without_a_supervisor_it_is_said_what_to_do(box: Box, config: dict[str, str]) -> None:
    done = box("service", "install", **config)
    assert done.exit_code == 1
    assert "could not be started" in done.stderr
    assert "systemctl --user enable --now hubd-" in done.stderr
    assert len(units(config)) == 1
    assert "unknown" in box.ok("service", "status", **config)
    box.ok("service", "install", "--no-start", **config)


def test_a_file_of_somebody_else_is_left_alone(box: Box, config: dict[str, str]) -> None:
    box.ok("service", "install", "--no-start", **config)
    (path,) = units(config)
    path.write_text("[Service]\nExecStart=/bin/true\n")
    for verb in ("install", "uninstall"):
        done = box("service", verb, **config)
        assert done.exit_code == 1
        assert "was not written by hubctl" in done.stderr
    assert path.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_an_agent_may_not_install_services(box: Box, config: dict[str, str]) -> None:
    inside = {"HUB_RUN": "run-1", "HUB_AGENT": "lead", **config}
    for verb in ("install", "uninstall"):
        assert box("service", verb, **inside).exit_code == 1
    assert units(config) == []


@NO_SYSTEMD
def test_systemd_reads_the_unit_as_it_is_meant(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "hubd-x.service"
    path.write_text(box.ok("service", "install", "--print", "--for", "systemd"))
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(path)], capture_output=True, text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    strays = [line for line in done.stderr.splitlines() if "hubd-x" in line]
    assert (done.returncode, strays) == (0, []), done.stderr
    assert '-C "' + str(tmp_path).replace("%", "%%") in path.read_text()
    assert r'/my \"mail\" 50%% $$HOME"' in path.read_text()


def test_launchd_is_told_the_same(box: Box, config: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", config["HOME"])
    made = unit(Layout(box.root), "launchd")
    told = plistlib.loads(made.text.encode())
    assert told["ProgramArguments"][1:] == ["-P", "-m", "hubd.daemon", "-C", str(box.root)]
    assert told["Label"] == made.name
    assert made.path.parent == Path(config["HOME"]) / "Library/LaunchAgents"
    box.ok("service", "install", "--for", "launchd", "--no-start", **config)
    box.ok("service", "install", "--for", "launchd", "--no-start", **config)
    assert (
        made.path.read_bytes()
        == box.ok("service", "install", "--for", "launchd", "--print", **config).encode()
    )
    box.ok("service", "uninstall", "--for", "launchd", **config)
    assert not made.path.exists()


# the manual page, and completion


def tree(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, found_ in group.commands.items():
        if isinstance(found_, click.Group):
            yield from tree(found_, (*path, name))
        elif not found_.hidden:
            yield " ".join((*path, name)), found_


def rendered() -> str:
    env = {**environment(), "MANWIDTH": "500", "LC_ALL": "C.UTF-8"}
    page = subprocess.run(program("man"), capture_output=True, env=env, check=True).stdout
    done = subprocess.run(["man", "--warnings", "-l", "-"], input=page, capture_output=True, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    return re.sub(r".\x08", "", done.stdout.decode())


@pytest.mark.skipif(not (shutil.which("man") and shutil.which("groff")), reason="no man here")
def test_the_manual_page_has_every_command_and_option_as_help_has_it() -> None:
    text = rendered()
    squeezed = " ".join(text.split())
    for name, made in tree(hubctl):
        assert re.search(rf"^ *hubctl {name} \[OPTIONS\]", text, re.M), name
        section = squeezed.split(f"hubctl {name} [OPTIONS]", 1)[1]
        first = " ".join((made.help or "").split("\n\n")[0].split())
        assert first in section, name
        for option in (p for p in made.params if isinstance(p, click.Option) and p.help):
            assert " ".join(str(option.help).split()) in squeezed, (name, option.name)
        example = str(made.epilog).splitlines()[2].strip()
        assert " ".join(example.split()) in section, name


def completed(folder: Path, *words: str) -> set[str]:
    """What bash offers after these words, with the script that hubctl prints."""
    (folder / "hubctl").write_text(f'#!/bin/sh\nexec {" ".join(program())} "$@"\n')
    (folder / "hubctl").chmod(0o755)
    script = f"""
    eval "$(hubctl completion bash)"
    COMP_WORDS=({" ".join(("hubctl", *words))} "") COMP_CWORD={len(words) + 1}
    _hubctl_completion hubctl; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = {**environment(), "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return {word.rpartition(",")[2] for word in done.stdout.split()}


def test_bash_completes_every_command(tmp_path: Path) -> None:
    assert completed(tmp_path) >= set(hubctl.commands)
    sections = {name: made for name, made in hubctl.commands.items() if isinstance(made, click.Group)}
    assert sections
    for name, made in sections.items():
        assert completed(tmp_path, name) >= set(made.commands), name
