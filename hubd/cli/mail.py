"""Commands for messages and questions: send, reply, ack, ask, answer."""

from __future__ import annotations

import time
from typing import Any

import click

from hubd.cli import display
from hubd.cli.frame import Answer, Ended, Session, command
from hubd.cli.texts import body_options, read_text
from hubd.cli.working import lease_number

__all__ = ["COMMANDS"]

_PAUSES = (0.05, 0.1, 0.2, 0.3, 0.5)  # seconds between two looks at a question; then the last one again
_WITHOUT_DAEMON = 2.0


def _one_or_list(names: tuple[str, ...]) -> str | tuple[str, ...]:
    flat = tuple(n.strip() for name in names for n in name.split(",") if n.strip())
    return flat[0] if len(flat) == 1 else flat


@command(
    "send",
    'hubctl send --to lead --subject "Staging is down" "Until noon."\n'
    "date | hubctl send --to all --subject Time -",
)
@click.argument("text", required=False)
@click.option(
    "--to",
    required=True,
    multiple=True,
    metavar="NAME",
    help="A name, owner, operator, any:CAPABILITY or all; may be repeated.",
)
@click.option("--subject", required=True, metavar="TEXT", help="One line that says what it is about.")
@click.option("--reply-to", metavar="ID", help="The document that it answers.")
@click.option("--task", metavar="ID", help="The task that it is about.")
@click.option("--dedupe-key", metavar="KEY", help="Your own key: the same key and text are delivered once.")
@click.option("--expires", metavar="WHEN", help="When it need not be read any more: 8h, or a time.")
@click.option(
    "--priority", type=click.Choice(("low", "normal", "high", "urgent")), help="How pressing it is."
)
@body_options
def send(
    session: Session, text: str | None, to: tuple[str, ...], subject: str,
    reply_to: str | None, task: str | None, body: str | None, body_file: str | None, **more: str | None,
) -> None:  # fmt: skip
    """Send a message. The text is TEXT, --body or --body-file; - reads it from standard input."""
    words = read_text(body, body_file, text)
    fields: dict[str, Any] = {"to": _one_or_list(to), "subject": subject}
    fields["reply_to"] = session.find(reply_to)["id"] if reply_to else None
    fields["task"] = session.find(task, "task")["id"] if task else None
    told = session.send("message", {**fields, **more}, words)
    session.tell(told, f"{told['id']}: sent")


@command("reply", 'hubctl reply m-7f3k "Thank you."')
@click.argument("id_", metavar="ID")
@click.argument("text", required=False)
@click.option("--subject", metavar="TEXT", help="Another subject than the one that is answered.")
@body_options
def reply(
    session: Session, id_: str, text: str | None, subject: str | None, body: str | None, body_file: str | None
) -> None:
    """Answer a message: to its sender, in its thread."""
    words = read_text(body, body_file, text)
    shown = session.show(id_)
    to = str(shown["header"].get("from", ""))
    if shown["kind"] == "question":
        raise Ended(f"{shown['id']} is a question", f'`hubctl answer {shown["id"]} "text"`', "wrong-kind")
    if to == "hub" or not to:
        raise Ended(
            f"{shown['id']} is from the hub",
            "there is nobody to reply to; `hubctl send` writes to others",
            "wrong-kind",
        )
    about = subject or str(shown["title"])
    about = about if subject or about.lower().startswith("re:") else f"Re: {about}"
    told = session.send(
        "message", {"to": to, "subject": about[:500], "reply_to": shown["id"]}, words, stem="reply"
    )
    session.tell(told, f"{told['id']}: sent to {to}")


@command("ack", "hubctl ack m-7f3k b-2a9c\nhubctl ack --all")
@click.argument("ids", metavar="[ID]…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every message and bounce in your inbox.")
def ack(session: Session, ids: tuple[str, ...], everything: bool) -> None:
    """Take messages and bounces as read."""
    if bool(ids) == everything:
        raise click.UsageError("name what you have read, or say --all")
    if everything:
        rows = session.ask("inbox", agent=session.actor)["documents"]
        found = [str(r["id"]) for r in rows if "ack" in r["next"]]
    else:
        found = [str(session.find(i, "message", "bounce", do="ack")["id"]) for i in ids]
    done = [session.act("ack", id_) for id_ in found]
    answer = done[0] if len(done) == 1 else {"schema": 1, "ok": True, "documents": done}
    session.tell(
        answer, *(f"{d['id']}: {display.state('read')}" for d in done), *([] if done else ["nothing to read"])
    )


@command("ask", 'hubctl ask "Which database?" --to operator --choices sqlite,postgres --timeout 30m')
@click.argument("title", metavar="QUESTION")
@click.option("--to", metavar="NAME", help="Who is asked; the operator, if not given.")
@click.option("--choices", multiple=True, metavar="A,B", help="Possible answers; may be repeated.")
@click.option("--timeout", metavar="WHEN", help="When the question expires: 30m, or a time.")
@click.option("--default", metavar="TEXT", help="The answer when nobody answers in time.")
@click.option(
    "--assignment", metavar="ID", help="Your assignment that waits for it: its lease's clock stands still."
)
@click.option("--task", metavar="ID", help="The task that it is about.")
@click.option(
    "--lease",
    type=click.IntRange(0),
    metavar="N",
    help="The lease you hold; read from the assignment if not given.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for the answer.")
@body_options
def ask(
    session: Session, title: str, choices: tuple[str, ...], timeout: str | None, assignment: str | None,
    lease: int | None, no_wait: bool, body: str | None, body_file: str | None, **more: str | None,
) -> None:  # fmt: skip
    """Ask somebody, wait, and print the answer.

    Interrupted, the question stays open; `hubctl show ID` tells whether it was answered. With --assignment
    the assignment comes back to your inbox with the answer.
    """
    fields: dict[str, Any] = {"to": more["to"], "title": title}
    if assignment:
        fields["assignment"] = session.find(assignment, "assignment", do="ask")["id"]
        fields["lease"] = lease_number(session, fields["assignment"], lease)
    fields["task"] = session.find(str(more["task"]), "task")["id"] if more["task"] else None
    fields["choices"] = tuple(c.strip() for given in choices for c in given.split(",") if c.strip())
    told = session.send(
        "question", {**fields, "default": more["default"], "expires": timeout}, read_text(body, body_file)
    )
    if no_wait:
        session.tell(told, f"{told['id']}: {display.state(told['state'])}")
        return
    if not session.json:
        click.echo(f"{told['id']}: waiting for the answer", err=True)
    ended = _wait(session, str(told["id"]))
    answer = str(ended["header"].get("answer", ""))
    told = {**told, "state": ended["state"], "path": ended["path"], "answer": answer}
    if ended["state"] != "answered" and not answer:
        why = "nobody answered in time" if ended["state"] == "expired" else f"it was {ended['state']}"
        raise Ended(f"{told['id']}: {why}", "ask again, or somebody else", "no-answer", id=told["id"])
    session.tell(told, display.clean(answer))


def _wait(session: Session, id_: str) -> Answer:
    """Look until the question has ended."""
    pauses = iter(_PAUSES)
    while True:
        shown = session.show(id_)
        if shown["state"] != "open":
            return shown
        alone = session.client.ping() is None
        session.client.rest()
        time.sleep(_WITHOUT_DAEMON if alone else next(pauses, _PAUSES[-1]))


@command("answer", "hubctl answer q-7f3k postgres\nhubctl answer q-7f3k 2")
@click.argument("id_", metavar="ID")
@click.argument("text", required=False)
@body_options
def answer(session: Session, id_: str, text: str | None, body: str | None, body_file: str | None) -> None:
    """Answer a question: a text, or the number of a choice."""
    words = read_text(body, body_file, text).strip()
    if not words:
        raise click.UsageError("the answer is empty: give TEXT, --body or --body-file")
    found = session.find(id_, "question", do="answer")
    choices = session.show(found["id"])["header"].get("choices") or []
    choices = [choices] if isinstance(choices, str) else choices
    if words.isdigit() and words not in choices and 1 <= int(words) <= len(choices):
        words = str(choices[int(words) - 1])
    told = session.act("answer", found["id"], answer=words)
    session.tell(told, f"{told['id']}: {display.state(told['state'])}: {display.line(words)}")


COMMANDS = (send, reply, ack, ask, answer)
