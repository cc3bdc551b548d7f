"""The frame of every command: who acts, on which mailbox, in which form answers are given, how errors end.

Guarantee: every command ends with 0 done, 1 refused, 2 wrongly used, or 3 hub not reached; with `--json` each
of these is one object on standard output. Without a terminal nothing is asked.
Rule 1: commands say what they want through a `Session`; none looks at documents of the mailbox by itself.
Rule 2: `-C`, `--as` and `--json` are understood before and after a command's name. Rule 3: inside a run
hubctl acts as that run's agent alone; it guards against mistakes, not against a program that means harm.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import IO, Any

import click

from hubd import __version__
from hubd.cli import display
from hubd.client import Client, Unreachable, compose
from hubd.core.place import NAME
from hubd.core.scalar import Value
from hubd.layout import Layout, MailboxError, find

__all__ = ["Command", "Ended", "Program", "Section", "Session", "command"]

REFUSED, MISUSED, NOT_REACHED = 1, 2, 3
_TROUBLE = ("hub-trouble", "hub-defect")
Answer = dict[str, Any]


class Ended(click.ClickException):
    """A command ends here, not as it was meant to: what is the matter, and what to do."""

    def __init__(self, what: str, hint: str, code: str, exit_code: int = REFUSED, **more: Any) -> None:
        super().__init__(what)
        self.ends_with = exit_code
        self.answer: Answer = {
            "schema": 1, "ok": False, "code": code, "message": what, "hint": hint, "bounce": "", **more,
        }  # fmt: skip

    @classmethod
    def refused(cls, answer: Mapping[str, Any]) -> Ended:
        """The hub's own refusal, or its word that it cannot work just now."""
        ended = cls(
            str(answer.get("message", "refused")), str(answer.get("hint", "")), str(answer.get("code", ""))
        )
        ended.answer = dict(answer)
        ended.answer.setdefault("bounce", "")
        if ended.answer["code"] in _TROUBLE and not ended.answer["bounce"]:
            ended.ends_with = NOT_REACHED
        return ended

    def show(self, file: IO[Any] | None = None) -> None:
        tell_error(self.answer, file)


def tell_error(answer: Mapping[str, Any], file: IO[Any] | None = None) -> None:
    """Two lines on standard error: what, and what to do. Then, where there is a choice, what there is."""
    click.echo(f"hubctl: {display.line(str(answer['message']))}", err=file is None, file=file)
    if answer["hint"]:
        click.echo(f"hint: {display.line(str(answer['hint']))}", err=file is None, file=file)
    if answer["bounce"]:
        click.echo(
            f"bounce: {answer['bounce']} (`hubctl show {answer['bounce']}`)", err=file is None, file=file
        )
    rows = [(c["id"], c["kind"], c["state"], c["title"]) for c in answer.get("candidates", ())]
    if rows:
        click.echo(
            display.table(("id", "kind", "state", "title"), rows, give=3, colour=2),
            err=file is None,
            file=file,
        )


class Session:
    """One invocation: its mailbox, its actor, and the form of its answers."""

    def __init__(self) -> None:
        self.directory: str | None = None
        self.name: str | None = None
        self.json = False
        self._client: Client | None = None

    @property
    def layout(self) -> Layout:
        return self.client.layout

    @property
    def client(self) -> Client:
        """The way to the hub. Raises MailboxError where there is no mailbox."""
        if self._client is None:
            self._client = Client(find(self.directory, os.environ.get("HUB_MAILBOX")))
            click.get_current_context().find_root().call_on_close(self._client.rest)
        return self._client

    @property
    def run(self) -> str:
        """The run that this is a part of, as its environment says; nothing outside of one.

        It guards against mistakes only: a program of the same user can change its environment.
        """
        return os.environ.get("HUB_RUN", "") if os.environ.get("HUB_AGENT") else ""

    @property
    def named(self) -> str | None:
        """Who is said to act: `--as`, else HUB_AGENT. Inside a run nobody but the agent that runs."""
        own = os.environ.get("HUB_AGENT") or None
        if self.run and self.name not in (None, own):
            what = f"this is {own}'s {self.run}, and hubctl acts as {own} here, not as {self.name}"
            raise Ended(what, "leave out `--as`, and ask others for what they must do", "not-yours")
        return self.name or own

    def outside_runs(self, command: str) -> None:
        """End a command that is for people where it is used inside a run."""
        if self.run:
            what = f"`hubctl {command}` is for people, and this is {os.environ['HUB_AGENT']}'s {self.run}"
            raise Ended(what, "ask the operator: `hubctl ask`", "not-yours")

    @property
    def actor(self) -> str:
        """Who acts: `--as`, HUB_AGENT, else the operator."""
        self.name = self.named
        if self.name is None:
            self.name = str(self.ask("operator")["operator"])
        if not NAME.match(self.name):
            what = f"`{display.line(self.name)}` cannot be an agent's name"
            raise Ended(what, "names are of a-z, 0-9 and -", "usage", MISUSED)
        return self.name

    # the hub

    def ask(self, what: str, **args: Any) -> Answer:
        """Ask the read model, as the actor if it is named. Ends the command where there is no answer."""
        known = self.named
        told = self.client.query(what, **({"as": known} if known else {}), **args)
        if told.get("ok") is False:
            raise Ended.refused(told)
        return told

    def find(self, prefix: str, *kinds: str, do: str = "") -> Answer:
        """The one document that a prefix means."""
        return self.ask("find", prefix=prefix, kinds=list(kinds), do=do)

    def show(self, id_: str) -> Answer:
        return self.ask("show", id=id_)

    def send(self, kind: str, fields: Mapping[str, Value | None], body: str = "", stem: str = "") -> Answer:
        """Save a document in the actor's outbox. Ends the command where it is refused."""
        told = self.client.send(self.actor, compose({"kind": kind, **fields}, body), stem or kind)
        if not told.get("ok"):
            raise Ended.refused(told)
        return told

    def act(self, do: str, on: str, **fields: Value | None) -> Answer:
        """Save a request in the actor's outbox."""
        return self.send("request", {"do": do, "on": on, **fields}, stem=do)

    # answers

    def tell(self, answer: Mapping[str, Any], *lines: str) -> None:
        """The answer: an object for programs, lines for people."""
        if self.json:
            click.echo(json.dumps(answer))
            return
        for text in lines:
            click.echo(text)

    def say(self, *lines: str) -> None:
        """Something beside the answer, for people alone."""
        if not self.json:
            for text in lines:
                click.echo(text)

    @property
    def may_ask(self) -> bool:
        """Whether somebody sits at a terminal and can be asked."""
        return not self.json and sys.stdin.isatty() and sys.stdout.isatty()


# options that every command has


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> Any:
        if value:
            setattr(context.ensure_object(Session), name, value)
        return value

    return keep


def common() -> list[click.Parameter]:
    """The options of every command, fresh for each."""
    return [
        click.Option(
            ["-C", "_directory"], metavar="DIR", expose_value=False, callback=_set("directory"),
            help="The mailbox; else HUB_MAILBOX, else the folder you are in.",
        ),
        click.Option(
            ["--as", "_name"], metavar="NAME", expose_value=False, callback=_set("name"),
            help="Who acts; else HUB_AGENT, else the operator.",
        ),
        click.Option(
            ["--json", "_json"], is_flag=True, expose_value=False, callback=_set("json"),
            help="Answer with one JSON object.",
        ),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the common options and an example at the end of its help."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        kwargs["params"] = [*kwargs.get("params", ()), *common()]
        kwargs["epilog"] = "\b\n" + "\n".join(("Example:", *(f"  {row}" for row in example.splitlines())))
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)


def command(
    name: str, example: str, cls: type[Command] = Command, **more: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function that takes the session first."""

    def make(function: Callable[..., Any]) -> Command:
        given = click.pass_context(lambda context, **kw: function(context.ensure_object(Session), **kw))
        params = list(reversed(getattr(function, "__click_params__", ())))
        return cls(name, callback=given, params=params, example=example, help=function.__doc__, **more)

    return make


class Section(click.Group):
    """Commands about one thing: `hubctl task …`."""

    def __init__(self, name: str, about: str, commands: Sequence[Command]) -> None:
        super().__init__(name, help=about, commands=list(commands), params=common(), no_args_is_help=False)


class Shelf(MutableMapping[str, click.Command]):
    """The commands by name; each is imported when it is asked for."""

    def __init__(self, sections: Mapping[str, Mapping[str, str]]) -> None:
        self._modules = {
            name: module
            for modules in sections.values()
            for module, names in modules.items()
            for name in names.split()
        }
        self._known: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._known:
            module = import_module(f"hubd.cli.{self._modules[name]}")
            self._known.update({made.name: made for made in module.COMMANDS})
        return self._known[name]

    def __setitem__(self, name: str, made: click.Command) -> None:
        self._modules[name] = ""
        self._known[name] = made

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class Program(click.Group):
    """hubctl: the commands in the order of their sections, and one way for all errors to end."""

    def __init__(self, sections: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(
            "hubctl", help=__doc_of_program__, params=common(), commands=Shelf(sections),
            no_args_is_help=False,
            epilog="`hubctl COMMAND --help` shows an example.",
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
        )  # fmt: skip
        self._sections = sections
        click.version_option(__version__, prog_name="hubctl", message="%(prog)s %(version)s")(self)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        room = max(map(len, self.commands))
        for title, modules in self._sections.items():
            with formatter.section(title):
                names = " ".join(modules.values()).split()
                rows = [
                    (n.ljust(room), self.commands[n].get_short_help_str(formatter.width - room - 6))
                    for n in names
                ]
                formatter.write_dl(rows)

    def main(self, *given: Any, **extra: Any) -> Any:
        """Run. With `standalone_mode`, as click has it, end the process with the exit code."""
        args = extra.pop("args", given[0] if given else None)
        words = list(sys.argv[1:] if args is None else args) or ["--help"]
        standalone = extra.pop("standalone_mode", True)
        own = words[: words.index("--")] if "--" in words else words
        code = self._guarded(words, "--json" in own, {"prog_name": "hubctl", **extra})
        if standalone:
            sys.exit(code)
        return code

    def _guarded(self, words: list[str], as_json: bool, extra: dict[str, Any]) -> int:
        try:
            done: object = super().main(words, standalone_mode=False, **extra)
            return done if isinstance(done, int) else 0
        except Ended as ended:
            answer, code = ended.answer, ended.ends_with
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx is not None else "hubctl"
            answer, code = _wrong(error.format_message(), f"`{path} --help`", "usage"), MISUSED
        except click.ClickException as error:
            answer, code = _wrong(error.format_message(), "", "usage"), MISUSED
        except MailboxError as error:
            answer, code = _wrong(error.what, error.hint, "no-mailbox"), NOT_REACHED
        except Unreachable as error:
            missing = error.code == "unknown-agent"
            answer, code = _wrong(error.what, error.hint, error.code), REFUSED if missing else NOT_REACHED
        except (click.Abort, KeyboardInterrupt):
            return 130
        except BrokenPipeError:
            # Whoever read our output has enough. What is still buffered must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if as_json:
            click.echo(json.dumps(answer))
        else:
            tell_error(answer)
        return code


def _wrong(what: str, hint: str, code: str) -> Answer:
    return {"schema": 1, "ok": False, "code": code, "message": what, "hint": hint, "bounce": ""}


__doc_of_program__ = """Plan, approve, do and review work in a mailbox of Markdown files.

Everything done here can also be done by editing files; see the mailbox's README.md. Ids may be given by
any beginning that fits one document. Exit codes: 0 done, 1 refused, 2 wrongly used, 3 hub not reached.
"""
