"""hubctl man: the manual page, from the same text as `--help`.

Guarantee: every command, argument and option that `--help` shows is in it, since both are made from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from hubd import __version__
from hubd.cli.frame import Session, command

__all__ = ["COMMANDS", "page"]


@command("man", "hubctl man | man -l -")
def man(session: Session) -> None:
    """Print the manual page of hubctl and all its commands.

    To keep it: `hubctl man > ~/.local/share/man/man1/hubctl.1`
    """
    text = page(click.get_current_context().find_root())
    session.tell({"schema": 1, "ok": True, "page": text}, text.rstrip("\n"))


def page(root: click.Context) -> str:
    """The page in the language of man(7)."""
    program = root.command
    assert isinstance(program, click.Group)
    return "\n".join(
        (
            f'.TH HUBCTL 1 "" "hubd {__version__}" "User Commands"',
            ".nh", ".ad l",
            ".SH NAME", r"hubctl \- a mailbox of Markdown files for coding agents and people",
            ".SH SYNOPSIS", r"\fBhubctl\fR [OPTIONS] COMMAND [ARGS]...",
            ".SH DESCRIPTION", *_prose(program.help or ""),
            ".SH OPTIONS", *_options(root, program.params),
            ".SH COMMANDS", *_commands(root),
            ".SH ENVIRONMENT",
            ".TP", r"\fBHUB_MAILBOX\fR", r"The mailbox, where \-C is not given.",
            ".TP", r"\fBHUB_AGENT\fR", r"Who acts, where \-\-as is not given.",
            ".SH EXIT STATUS", "0 done, 1 refused, 2 wrongly used, 3 hub not reached.",
            ".SH SEE ALSO", r"\fBgit-log\fR(1); README.md and contract/SPEC.md in every mailbox.", "",
        )
    )  # fmt: skip


def _commands(context: click.Context) -> Iterator[str]:
    """Every command below, with its help, its arguments and options, and its example."""
    group = context.command
    assert isinstance(group, click.Group)
    common = {option for p in context.find_root().command.params for option in p.opts}
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is None or found.hidden:
            continue
        inner = click.Context(found, info_name=name, parent=context)
        if isinstance(found, click.Group):
            yield from _commands(inner)
            continue
        usage = " ".join(found.collect_usage_pieces(inner))
        yield f".SS {_roff(inner.command_path)} {_roff(usage)}"
        yield from _prose(found.help or "")
        yield from _options(inner, [p for p in found.params if not common & set(p.opts)])
        yield from _example(found.epilog or "")


def _options(context: click.Context, params: list[click.Parameter]) -> Iterator[str]:
    for param in params:
        record = param.get_help_record(context)
        if record is not None and record[1]:
            yield ".TP"
            yield rf"\fB{_roff(record[0])}\fR"
            yield _roff(" ".join(record[1].split()))


def _prose(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", text.strip()):
        yield ".PP"
        yield _roff(" ".join(part.split()))


def _example(epilog: str) -> Iterator[str]:
    rows = [row.strip() for row in epilog.replace("\b", "").splitlines() if row.strip()]
    yield from (".PP", "Example:", ".PP", ".RS 4", ".nf", *map(_roff, rows[1:]), ".fi", ".RE")


def _roff(text: str) -> str:
    """Text that groff takes for text: no request in front, every dash and quote as it is typed."""
    marks = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
    escaped = "".join(marks.get(c, c) for c in text)
    return "".join(
        c if c < "\x7f" else f"\\[u{ord(c):04X}]" for c in ("\\&" if escaped[:1] == "." else "") + escaped
    )


COMMANDS = (man,)
