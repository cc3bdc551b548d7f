"""What is shipped works in an environment that has nothing of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import hubd
from tests.house.sources import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LINKS = {"templates": "hubd/templates", "mailbox": "hubd/contract"}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program outside of the project, where only what was installed can be found."""
    theirs = ("HUB_", "PYTHON", "GIT_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def contents(folder: str) -> set[str]:
    """Return the files below a top-level folder, as they must appear under another name."""
    root = ROOT / folder
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive, and the wheel from that archive alone."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


def test_the_wheel_ships_what_the_links_lead_to(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in LINKS.items():
        assert {f"{inside}/{name}" for name in contents(folder)} <= names
    assert "hubd/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "templates/", "mailbox/"))]


def test_the_source_archive_has_both_folders_under_both_names(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for folder, inside in LINKS.items():
        for name in contents(folder):
            assert {f"{folder}/{name}", f"{inside}/{name}"} <= names


def test_hubctl_makes_a_mailbox_from_the_installed_wheel(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    bin_ = tmp_path / "env" / "bin"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(bin_ / "python", "-m", "pip", "install", *quiet, wheel, cwd=tmp_path)
    assert hubd.__version__ in run(bin_ / "hubctl", "--version", cwd=tmp_path)
    box = tmp_path / "box"
    run(bin_ / "hubctl", "init", box, "--agent", "ada", cwd=tmp_path)
    assert (box / "README.md").read_bytes() == (ROOT / "templates" / "mailbox-README.md").read_bytes()
    assert (box / "contract" / "SPEC.md").is_file()
    assert (box / "agents" / "ada" / "outbox").is_dir()
