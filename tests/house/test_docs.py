"""The documentation is true: every command is in the README, every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import hubd
import hubd.cli
from tests.house.sources import ROOT

README = ROOT / "README.md"
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "mailbox/SPEC.md", "templates/mailbox-README.md")
PAGES = tuple(ROOT / name for name in NAMES)


def commands() -> Iterator[str]:
    """Yield every command of hubctl that a person may find in its help: `send`, `lease acquire`."""
    groups = [value for value in vars(hubd.cli).values() if isinstance(value, click.Group)]
    assert groups, "hubd.cli has no click group"
    yield from _below(max(groups, key=lambda group: len(group.commands)), ())


def _below(group: click.Group, path: tuple[str, ...]) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from _below(command, (*path, name))
        else:
            yield " ".join((*path, name))


def prose(page: Path) -> str:
    """Return a page without its fenced code, in which a bracket is no link."""
    return re.sub(r"(?ms)^(```+|~~~+).*?^\1[ \t]*$", "", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as the usual hosts make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def is_shown(command: str, text: str) -> bool:
    """Return whether a page shows a command: as `send`, or as hubctl send with or without options."""
    return bool(re.search(rf"(`|hubctl (?:-\S+ (?:\S+ )?)*){re.escape(command)}\b", text))


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert not [f"hubctl {command}" for command in commands() if not is_shown(command, text)]


def test_the_rule_about_commands_sees_a_missing_one() -> None:
    page = "Run `claim ID`, then `hubctl -C box lease acquire KEY`, and send it."
    assert is_shown("claim", page)
    assert is_shown("lease acquire", page)
    assert not is_shown("send", page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{page.name} links to {target}, which has no such heading"


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(hubd.__version__)}\b", text, re.MULTILINE)


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert targets
    for target in targets[1].split():
        assert re.search(rf"^{target}:.*## ", text, re.MULTILINE), f"make {target} says nothing in make help"
