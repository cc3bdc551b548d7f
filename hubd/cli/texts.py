"""Options that several commands share: a text from an argument, a file or standard input, and a plan."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hubd.cli.frame import MISUSED, Command, Ended

__all__ = ["PlanCommand", "body_options", "plan_of", "plan_options", "read_text", "sole"]

_FOLLOWS = ("--after", "--deadline")


def body_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--body TEXT`, `--body-file FILE`; `-` is standard input in both."""
    file = click.option("--body-file", metavar="FILE", help="Read the text from a file; - is standard input.")
    return click.option("--body", metavar="TEXT", help="The text; - reads it from standard input.")(
        file(function)
    )


def read_text(body: str | None, body_file: str | None = None, given: str | None = None) -> str:
    """The one text that was given, from wherever it comes."""
    sources = [s for s in (body, given) if s is not None]
    if len(sources) + (body_file is not None) > 1:
        raise click.UsageError("the text is given twice: use one of TEXT, --body and --body-file")
    if body_file is not None and body_file != "-":
        try:
            return Path(body_file).read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise click.UsageError(f"cannot read {body_file}: {error.strerror}") from error
    if body_file == "-" or sources == ["-"]:
        return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return sources[0] if sources else ""


def plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--assign AGENT GOAL`, and after each of them `--after N` and `--deadline WHEN`, which belong to it."""
    for option in (
        click.option(
            "--deadline",
            "deadlines",
            multiple=True,
            metavar="WHEN",
            help="When the --assign before it times out: 2h, or a time.",
        ),
        click.option(
            "--after", "afters", multiple=True, metavar="N", help="The --assign before it waits for number N."
        ),
        click.option(
            "--assign",
            "assigns",
            nargs=2,
            multiple=True,
            metavar='AGENT "GOAL"',
            help="Who does what; AGENT may be any:CAPABILITY.",
        ),
    ):
        function = option(function)
    return function


class PlanCommand(Command):
    """A command with a plan: which `--assign` an `--after` belongs to is told by their order."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, bound(args))


def bound(args: Sequence[str]) -> list[str]:
    """`--assign A x --after 1 --assign B y --after 1` says after which number each `--after` stands."""
    out: list[str] = []
    number = 0
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*out, word, *rest]
        name, equals, value = word.partition("=")
        if name == "--assign":
            number += 1
            out += [word, *rest[:2]]
            del rest[:2]
        elif name in _FOLLOWS and (equals or rest):
            out += [name, f"{number}={value if equals else rest.pop(0)}"]
        else:
            out.append(word)
    return out


def plan_of(
    assigns: Sequence[tuple[str, str]], afters: Sequence[str], deadlines: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    """The plan that the options describe."""
    items: list[dict[str, Any]] = [{"to": to, "goal": goal} for to, goal in assigns]
    for text in afters:
        number, value = _bound(text, "--after", len(items))
        known = items[number].get("after", ())
        items[number]["after"] = (*known, *(v.strip() for v in value.split(",") if v.strip()))
    for text in deadlines:
        number, value = _bound(text, "--deadline", len(items))
        items[number]["deadline"] = value
    return tuple(items)


def _bound(text: str, option: str, count: int) -> tuple[int, str]:
    number, _, value = text.partition("=")
    if not number.isdigit() or not 1 <= int(number) <= count:
        raise click.UsageError(f"{option} stands behind the --assign that it belongs to")
    return int(number) - 1, value


def sole(rows: Sequence[Mapping[str, Any]], nothing: str, many: str) -> Mapping[str, Any]:
    """The only one of them, or the end of the command with the list."""
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise Ended(nothing, "`hubctl inbox` shows what waits for you", "nothing-waits")
    raise Ended(many, "name one of them", "ambiguous-id", MISUSED, candidates=list(rows))
