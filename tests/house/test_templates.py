"""What an author copies is accepted as it stands."""

from __future__ import annotations

import re

import pytest

from hubd.core.check import check_fields, sendable_kind
from hubd.core.document import Document, Flaw, parse, parse_settings
from hubd.core.model import DOS, Kind
from hubd.core.settings import SETTINGS, Settings, read_settings
from tests.house.sources import ROOT

TEMPLATES = ROOT / "templates"
COPIED = {
    "card": Kind.AGENT,
    "handoff": Kind.HANDOFF,
    "message": Kind.MESSAGE,
    "question": Kind.QUESTION,
    "request": Kind.REQUEST,
    "round": Kind.ROUND,
    "task": Kind.TASK,
}
README = (TEMPLATES / "mailbox-README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^    ---\n(?:    .*\n)+", README, re.MULTILINE)


@pytest.mark.parametrize("name", COPIED)
def test_a_template_is_a_correct_document(name: str) -> None:
    parsed = parse((TEMPLATES / f"{name}.md").read_bytes())
    assert isinstance(parsed, Document), parsed
    assert sendable_kind(parsed) is COPIED[name]
    assert check_fields(parsed, COPIED[name]) is None


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[2])
def test_an_example_of_the_mailbox_readme_is_a_correct_document(example: str) -> None:
    parsed = parse(re.sub(r"^    ", "", example, flags=re.MULTILINE).encode())
    assert isinstance(parsed, Document), parsed
    kind = sendable_kind(parsed)
    assert isinstance(kind, Kind)
    assert check_fields(parsed, kind) is None


def test_hub_yaml_gives_every_setting_its_default() -> None:
    values = parse_settings((TEMPLATES / "hub.yaml").read_bytes())
    assert not isinstance(values, Flaw), values
    assert isinstance(read_settings(values), Settings)
    assert values == {name: setting.default for name, setting in SETTINGS.items()}


def test_hub_yaml_explains_itself_on_lines_of_their_own() -> None:
    for line in (TEMPLATES / "hub.yaml").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or "#" not in line


def test_the_mailbox_readme_can_be_read_in_one_go() -> None:
    assert len(README.splitlines()) < 60
    assert len(EXAMPLES) == 2


def test_the_mailbox_readme_tells_an_agent_all_it_needs() -> None:
    needed = {
        "inbox/", "waiting/", "outbox/", "drafts/", "refused/", "state: claimed", "worker:", "lease:",
        "kind: handoff", "kind: question", "kind: message", "bounce", "state: read", "git log",
        "contract/SPEC.md",
    }  # fmt: skip
    assert not {word for word in needed if word not in README}


def test_the_request_template_lists_what_there_is_to_do() -> None:
    text = (TEMPLATES / "request.md").read_text(encoding="utf-8")
    listed = re.search(r"^# (claim .*)$", text, re.MULTILINE)
    assert listed
    assert set(listed[1].split()) == set(DOS)
