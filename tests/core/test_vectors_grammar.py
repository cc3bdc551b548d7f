"""The contract's vectors for the grammar: each file carries its own verdict beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubd.core import grammar
from hubd.core.document import Document, Flaw, parse

VECTORS = Path(__file__).parents[2] / "mailbox" / "vectors" / "grammar"
ACCEPT = sorted((VECTORS / "accept").glob("*.md"))
REFUSE = sorted((VECTORS / "refuse").glob("*.md"))
CODES = {
    "too-large",
    "header-too-large",
    "not-utf8",
    "control-character",
    "no-header",
    "unclosed-header",
    "not-a-mapping",
    "bad-key",
    "duplicate-key",
    "yaml-feature",
    "too-deep",
    "inline-comment",
    "unquoted-value",
    "multi-line-value",
    "bad-yaml",
    "mixed-newlines",
    "hub-marker",
    "unclosed-block",
}


@pytest.fixture(params=["libyaml", "pure"])
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(grammar, "_Parser", yaml.SafeLoader)


def verdict(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return loaded


def as_json(value: object) -> object:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("path", ACCEPT, ids=lambda path: path.stem)
@pytest.mark.usefixtures("_loader")
def test_a_vector_to_accept_is_read_as_it_says_and_written_back(path: Path) -> None:
    data = path.read_bytes()
    read = parse(data)
    assert isinstance(read, Document), read
    assert as_json({"header": read.header, "body": read.body, "block": read.block}) == verdict(path)
    assert read.render() == data


@pytest.mark.parametrize("path", REFUSE, ids=lambda path: path.stem)
@pytest.mark.usefixtures("_loader")
def test_a_vector_to_refuse_is_refused_as_it_says(path: Path) -> None:
    flaw = parse(path.read_bytes())
    assert isinstance(flaw, Flaw), flaw
    told: dict[str, object] = {"expect": flaw.code, "line": flaw.line}
    if flaw.correct:
        told["correct"] = flaw.correct
    assert told == verdict(path)
    assert flaw.message


@pytest.mark.parametrize(
    "path", [path for path in REFUSE if "correct" in verdict(path)], ids=lambda path: path.stem
)
def test_the_line_that_is_offered_removes_the_flaw(path: Path) -> None:
    told = verdict(path)
    lines = path.read_bytes().decode("utf-8").split("\n")
    lines[told["line"] - 1] = told["correct"]
    after = parse("\n".join(lines).encode())
    # A value that went over several lines leaves its others behind: they are what is named next, or are gone.
    if told["expect"] != "multi-line-value":
        assert not isinstance(after, Flaw) or (after.code, after.line) != (told["expect"], told["line"])


def test_every_verdict_has_its_bytes_and_every_file_its_verdict() -> None:
    for folder in ("accept", "refuse"):
        files = {path.name for path in (VECTORS / folder).iterdir()}
        stems = {name.removesuffix(".md") for name in files if name.endswith(".md")}
        assert files == {f"{stem}.md" for stem in stems} | {f"{stem}.json" for stem in stems}


def test_every_code_but_the_size_of_a_document_has_a_vector() -> None:
    assert {verdict(path)["expect"] for path in REFUSE} == CODES - {"too-large"}


def test_there_are_enough_vectors() -> None:
    assert len(ACCEPT) >= 15
    assert len(REFUSE) >= 40
