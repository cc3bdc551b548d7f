"""What people see: tables that fit, relative times, nothing that acts on their terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from hubd.cli import SECTIONS, display, hubctl
from hubd.cli.hints import commands
from hubd.cli.texts import bound, plan_of
from hubd.cli.worktree import exclude, work_tree
from hubd.core.model import DOS
from tests.shell.commands import run

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2026-11-21T09:59:57Z", "3s ago"),
        ("2026-11-21T09:15:00Z", "45m ago"),
        ("2026-11-21T07:45:00Z", "2h15m ago"),
        ("2026-11-19T09:00:00Z", "2d1h ago"),
        ("2026-11-21T10:00:00Z", "now"),
        ("2026-11-21T11:30:00Z", "in 1h30m"),
        ("", "-"),
        ("yesterday", "-"),
    ],
)
def test_a_time_is_shown_beside_now(when: str, said: str) -> None:
    assert display.ago(when, NOW) == said


def test_text_by_others_cannot_act_on_the_terminal() -> None:
    nasty = "a\x1b[2Jb\x07c\x9bd\u202ee\u2066f\x7fg"
    assert display.clean(nasty) == "a\\x1b[2Jb\\x07c\\x9bd\\u202ee\\u2066f\\x7fg"
    assert display.clean("two\nlines\tand ünïcode 語") == "two\nlines\tand ünïcode 語"
    assert display.line("two\nlines\r\n\x1b]0;x\x07") == "two lines \\x1b]0;x\\x07"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain ünïcode 語\tx", "plain ünïcode 語\tx"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("50%\r60%\r\nnext", "50%\n60%\nnext"),
        ("\x1b[2J\x1b[10;5Hmoved\x1b[K", "moved"),
        ("\x1b]0;title\x07a\x1b]52;c;Zm9v\x1b\\b", "ab"),
        ("\x1bPq#0\x1b\\x\x1b(B\x1b=\x1b7", "x"),
        ("ab\bc\x07", "abc"),
        ("cut \x1b[3", "cut \\x1b[3"),
        ("c1 \x9b2J \u202e", "c1 \\x9b2J \\u202e"),
    ],
)
def test_what_a_program_printed_is_shown_as_text(written: str, shown: str) -> None:
    assert display.printed(written) == shown


def test_only_colours_are_kept_for_a_terminal() -> None:
    said = display.printed("\x1b[2J\x1b[31mred\x1b[0m \x1b]0;t\x07\x9b2J", colour=True)
    assert said == "\x1b[31mred\x1b[0m \\x9b2J\x1b[0m"
    assert display.printed("plain", colour=True) == "plain"


TITLES = {
    "short": "short",
    "long": "long " * 60,
    "wide": "語" * 100,
    "accents": "e\u0301" * 90,
    "whole": "nobreak" * 40,
}


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
@pytest.mark.parametrize("id_", ["t-1", "a-very-long-name-for-one-task-7f3k.r12.a12.h3"])
def test_a_table_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch, title: str, id_: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [(id_, "assignment", "awaiting_approval", "operator", "2d10h ago", title)] * 3
    table = display.table(("id", "kind", "state", "from", "since", "title"), rows, give=5, colour=2)
    assert all(display.columns_of(row) <= 80 for row in table.splitlines())
    assert id_ in table


def test_a_table_on_a_pipe_has_no_colour() -> None:
    assert "\x1b" not in display.table(("id", "state"), [("x", "failed")], give=1, colour=1)


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert ("\x1b[" in display.state("failed")) is coloured


def test_an_after_belongs_to_the_assign_before_it() -> None:
    words = [
        "--assign",
        "ada",
        "a",
        "--assign",
        "ben",
        "b",
        "--after",
        "1",
        "--assign",
        "cy",
        "c",
        "--after=1,2",
    ]
    kept = bound(words)
    assert kept[-5:] == ["--assign", "cy", "c", "--after", "3=1,2"]
    plan = plan_of((("ada", "a"), ("ben", "b"), ("cy", "c")), ("2=1", "3=1,2"), ("1=2h",))
    assert plan == (
        {"to": "ada", "goal": "a", "deadline": "2h"},
        {"to": "ben", "goal": "b", "after": ("1",)},
        {"to": "cy", "goal": "c", "after": ("1", "2")},
    )


def test_an_after_without_an_assign_is_wrong() -> None:
    with pytest.raises(click.UsageError, match="behind the --assign"):
        plan_of((("ada", "a"),), ("0=1",), ())


def test_words_behind_two_dashes_are_left_alone() -> None:
    assert bound(["x", "--", "--after", "1"]) == ["x", "--", "--after", "1"]


def test_every_verb_has_a_command_and_none_is_unknown_to_hubctl() -> None:
    row = {"id": "x", "title": "key", "next": [*DOS, "plan", "complete", "ask"]}
    for how in commands(row, most=99):
        words = how.split()[1:]
        command = hubctl.commands[words[0]]
        if isinstance(command, click.Group):
            assert words[1] in command.commands
    spelled = {how.split()[1] for how in commands(row, most=99)}
    assert {
        "claim",
        "progress",
        "complete",
        "fail",
        "approve",
        "review",
        "answer",
        "ack",
        "recall",
    } <= spelled


def everything(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, click.Command]]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += everything(command, (*path, name))
        else:
            found.append((" ".join((*path, name)), command))
    return found


COMMANDS = everything(hubctl)


def test_the_sections_name_every_command_of_their_modules() -> None:
    from importlib import import_module

    for modules in SECTIONS.values():
        for module, names in modules.items():
            made = import_module(f"hubd.cli.{module}").COMMANDS
            assert [command.name for command in made] == names.split()


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_explains_itself_and_shows_an_example(name: str, command: click.Command) -> None:
    shown = run(*name.split(), "--help")
    assert shown.exit_code == 0
    example = re.sub(r"hubctl (?:(?:-C|--as) \S+ )+", "hubctl ", shown.output.split("Example:")[1])
    assert f"hubctl {name}" in example
    for option in ("-C DIR", "--as NAME", "--json"):
        assert option in shown.output
    assert not [row for row in shown.output.splitlines() if len(row) > 80 and "hubctl" not in row]
    assert command.get_short_help_str(200).endswith((".", "…"))


def test_the_help_shows_every_section_in_eighty_columns() -> None:
    shown = run("--help").output
    assert [title for title in SECTIONS if f"{title}:" not in shown] == []
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." not in shown.replace("[ARGS]...", "")


def test_a_work_tree_is_found_and_told_once_to_ignore_the_mailbox(tmp_path: Path) -> None:
    (tmp_path / "project" / ".git" / "info").mkdir(parents=True)
    (tmp_path / "project" / ".git" / "info" / "exclude").write_text("*.o")
    (tmp_path / "project" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "project" / "a [box]" / ".git").mkdir(parents=True)  # empty: no repository
    box = tmp_path / "project" / "a [box]"
    assert work_tree(box / "deeper") == tmp_path / "project"
    assert work_tree(tmp_path) in (None, *tmp_path.parents)
    exclude(tmp_path / "project", box)
    exclude(tmp_path / "project", box)
    assert (tmp_path / "project" / ".git" / "info" / "exclude").read_text() == "*.o\n/a\\ \\[box\\]/\n"


def test_a_linked_work_tree_is_told_in_the_folder_that_all_of_them_share(tmp_path: Path) -> None:
    own = tmp_path / "main" / ".git" / "worktrees" / "side"
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {own}\n")
    exclude(side, side / "box")
    assert (tmp_path / "main" / ".git" / "info" / "exclude").read_text() == "/box/\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    shown = run("completion", shell)
    assert shown.exit_code == 0
    assert "_HUBCTL_COMPLETE" in shown.output


def test_completion_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(COMP_WORDS="hubctl ap", COMP_CWORD="1", _HUBCTL_COMPLETE="bash_complete")
    assert told.output == "plain,approve\n"
