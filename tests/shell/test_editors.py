"""A mailbox opened in VS Code or Obsidian: settings are offered, and neither the hub nor git minds them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hubd.connecting.editors import as_yaml, files
from hubd.core.schema import settings_schema
from tests.house.sources import ROOT
from tests.shell.commands import Box, run

HUB = (ROOT / "templates" / "hub.yaml").read_text(encoding="utf-8")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    done = run(
        "init", str(tmp_path / "box"), "--agent", "lead:plan", "--agent", "backend:python", "--editors"
    )
    assert done.exit_code == 0, done.output
    return Box(tmp_path / "box")


def status(box: Box) -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=box.root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_hub_neither_commits_nor_minds_what_editors_keep(box: Box) -> None:
    before = {path: (box.root / path).read_bytes() for path in files("operator")}
    (box.root / ".obsidian" / "workspace.json").write_text("{}")
    assert not status(box)
    box.task("backend: Fix it")
    assert box.ok("verify").startswith("ok")
    assert not status(box)
    tracked = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "refs/hub/main"], cwd=box.root, capture_output=True, text=True
    )
    assert "hub.yaml" in tracked.stdout
    assert ".vscode" not in tracked.stdout
    assert ".obsidian" not in tracked.stdout
    assert {path: (box.root / path).read_bytes() for path in before} == before


def test_a_mailbox_that_exists_gets_what_is_missing_and_keeps_the_rest(box: Box) -> None:
    mine = box.root / ".obsidian" / "app.json"
    mine.write_text("{}")
    (box.root / ".vscode" / "settings.json").unlink()
    told = box.json("init", str(box.root), "--editors")
    assert told["made"] == [".vscode/settings.json"]
    assert mine.read_text() == "{}"
    assert box.ok("init", str(box.root), "--editors") == "all is there already\n"


def test_a_link_out_of_the_mailbox_is_refused(box: Box, tmp_path: Path) -> None:
    for path in (box.root / ".vscode").iterdir():
        path.unlink()
    (box.root / ".vscode").rmdir()
    (box.root / ".vscode").symlink_to(tmp_path)
    assert box("init", str(box.root), "--editors").exit_code == 1
    assert not (tmp_path / "settings.json").exists()


def test_without_being_asked_for_nothing_is_written(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "plain")).exit_code == 0
    assert not (tmp_path / "plain" / ".vscode").exists()


def test_the_settings_name_a_schema_that_is_there() -> None:
    offered = files("operator")
    ((schema, where),) = json.loads(offered[".vscode/settings.json"])["yaml.schemas"].items()
    assert where == "hub.yaml"
    jsonschema.Draft202012Validator.check_schema(json.loads(offered[schema.removeprefix("./")]))


@pytest.mark.parametrize("text", [HUB, "approvers: [ada, bob]\nnot_author: true\nbudget_usd_day: 2.5\n"])
def test_hub_yaml_is_right_as_an_editor_reads_it(text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), as_yaml(settings_schema()))


@pytest.mark.parametrize(
    "text",
    [
        "max_rounds: many", "max_rounds: 0", "approvals: 21", "not_author: perhaps", "settle: soon",
        "colour: red", "self_approval: maybe",
    ],
)  # fmt: skip
def test_a_mistake_in_hub_yaml_is_seen_in_the_editor(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), as_yaml(settings_schema()))


def header(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_what_lies_in_an_inbox_has_properties_and_boxes_as_editors_know_them(box: Box) -> None:
    """Front matter that plain YAML reads, at the very start; ticks that are task list items of their own."""
    box.task("backend: Fix it: #12, [x] and more")
    (path,) = (box.root / "agents" / "operator" / "inbox").iterdir()
    text = path.read_text(encoding="utf-8")
    assert text.startswith("---\n")
    assert header(text)["state"] == "awaiting_approval"
    assert header(text)["assignments"][0]["goal"] == "Fix it: #12, [x] and more"
    boxes = re.findall(r"^- \[ \] (\w+)", text, re.MULTILINE)
    assert boxes == ["approve", "reject"]
