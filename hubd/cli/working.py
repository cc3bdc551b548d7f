"""Commands of whoever does the work: claim, progress, complete, fail, release."""

from __future__ import annotations

import os
import socket

import click

from hubd.cli import display
from hubd.cli.frame import REFUSED, Answer, Ended, Session, command
from hubd.cli.holding import hold
from hubd.cli.texts import read_text

__all__ = ["COMMANDS", "lease_number"]

HELD = ("claimed", "in_progress")
_LEASE = click.option(
    "--lease",
    type=click.IntRange(0),
    metavar="N",
    help="The lease you hold; read from the assignment if not given.",
)


def lease_number(session: Session, id_: str, lease: int | None) -> str:
    """The lease under which the actor acts: as given, as `claim --hold` passed it on, or as it stands now."""
    if lease is not None:
        return str(lease)
    inherited = os.environ.get("HUB_LEASE", "")
    if inherited and os.environ.get("HUB_ASSIGNMENT") == id_:
        return inherited
    header = session.show(id_)["header"]
    if header.get("to") not in (None, session.actor):
        who = header["to"]
        raise Ended(
            f"{id_} is {who}'s, not {session.actor}'s", f"act as its assignee: `--as {who}`", "not-yours"
        )
    return str(header.get("lease", ""))


def worker_name(given: str | None) -> str:
    """A word for this claimant: as given, else this machine and the process that runs us."""
    return given or os.environ.get("HUB_WORKER") or f"{socket.gethostname()}-{os.getppid()}"


@command("claim", "hubctl claim fix-login.r1.a1\nhubctl claim fix-login.r1.a1 --hold -- ./work.sh")
@click.argument("id_", metavar="ID")
@click.option("--worker", metavar="WORD", help="Your own word for yourself, when several share the inbox.")
@click.option(
    "--hold",
    "holds",
    is_flag=True,
    help="Hold it while CMD runs: renewed, and given back when CMD fails or dies.",
)
@click.argument("cmd", nargs=-1, type=click.UNPROCESSED)
def claim(session: Session, id_: str, worker: str | None, holds: bool, cmd: tuple[str, ...]) -> int:
    """Claim an assignment: you get a lease, and work under it.

    With --hold the command after -- runs with HUB_ASSIGNMENT, HUB_LEASE, HUB_AGENT and HUB_MAILBOX set. The
    lease is renewed while it runs. If it ends without a handoff the assignment is released; if it dies with
    hubctl, the hub gives the assignment back by itself.
    """
    if bool(cmd) != holds:
        raise click.UsageError("--hold and a command go together: `hubctl claim ID --hold -- CMD…`")
    found = session.find(id_, "assignment", do="claim")
    told = session.act("claim", found["id"], worker=worker_name(worker))
    header = session.show(told["id"])["header"]
    number = int(header["lease"])
    told = {**told, "lease": number}
    lines = [f"{told['id']}: {display.state(told['state'])}, lease {number}", told["path"]]
    if not holds:
        lines.append(f'when it is done: hubctl complete {told["id"]} --summary "what was done"')
    session.tell(told, *lines)
    return _work(session, told, number, cmd) if holds else 0


def _work(session: Session, told: Answer, number: int, cmd: tuple[str, ...]) -> int:
    id_ = str(told["id"])
    term = next((e["ttl"] for e in session.ask("leases", key=id_)["leases"]), 60)

    def mine() -> bool | None:
        shown = session.show(id_)
        if shown["header"].get("lease") == str(number) and shown["state"] in (*HELD, "input_required"):
            return True
        return None if shown["header"].get("lease") == str(number) else False

    def renew() -> None:
        if session.show(id_)["state"] in HELD:
            session.act("progress", id_, lease=str(number))

    def after(code: int) -> int:
        if not mine() or session.show(id_)["state"] not in HELD:
            return code
        why = f"the command ended with code {code}" if code else "the command ended without a handoff"
        session.act("release", id_, lease=str(number), note=why)
        click.echo(f"hubctl: {id_} was released: {why}", err=True)
        return code or REFUSED

    around = {"HUB_ASSIGNMENT": id_, "HUB_LEASE": str(number)}
    return hold(session, cmd, number, term, around, renew, mine, after)


@command("progress", 'hubctl progress fix-login.r1.a1 "the tests are running"')
@click.argument("id_", metavar="ID")
@click.argument("note", required=False)
@_LEASE
def progress(session: Session, id_: str, note: str | None, lease: int | None) -> None:
    """Say how far an assignment is; it renews your lease."""
    found = session.find(id_, "assignment", do="progress")
    told = session.act("progress", found["id"], lease=lease_number(session, found["id"], lease), note=note)
    session.tell(told, f"{found['id']}: {display.state('in_progress')}, lease renewed")


@command(
    "complete",
    'hubctl complete fix-login.r1.a1 --summary "Redirects to /home" --branch fix/login --commit 1f2e3d4',
)
@click.argument("id_", metavar="ID")
@click.option("--summary", required=True, metavar="TEXT", help="One line that says what was done.")
@click.option(
    "--outcome",
    type=click.Choice(("done", "partial", "blocked")),
    default="done",
    show_default=True,
    help="blocked: you could not.",
)
@click.option("--branch", metavar="NAME", help="The branch that holds the work.")
@click.option("--commit", metavar="ID", help="The commit that holds the work.")
@click.option(
    "--changed-file",
    "changed",
    multiple=True,
    metavar="PATH",
    help="A file that was changed; may be repeated.",
)
@click.option(
    "--test",
    "tests",
    multiple=True,
    metavar="TEXT",
    help="A test that was run, and what it said; may be repeated.",
)
@click.option("--risks", multiple=True, metavar="TEXT", help="What could be wrong; may be repeated.")
@click.option("--next-steps", multiple=True, metavar="TEXT", help="What is left to do; may be repeated.")
@click.option("--notes-file", metavar="FILE", help="Longer notes; - is standard input.")
@_LEASE
def complete(
    session: Session, id_: str, summary: str, outcome: str, branch: str | None, commit: str | None,
    changed: tuple[str, ...], tests: tuple[str, ...], risks: tuple[str, ...], next_steps: tuple[str, ...],
    notes_file: str | None, lease: int | None,
) -> None:  # fmt: skip
    """Hand an assignment off: what was done, and where it is."""
    notes = read_text(None, notes_file)
    id_ = str(session.find(id_, "assignment", do="complete")["id"])
    told = session.send(
        "handoff",
        {
            "assignment": id_, "lease": lease_number(session, id_, lease),
            "outcome": outcome, "summary": summary,
            "branch": branch, "commit": commit, "changed_files": changed, "tests_run": tests, "risks": risks,
            "next_steps": next_steps,
        },
        notes,
    )  # fmt: skip
    session.tell(told, f"{told['id']}: {display.state(told['state'])}", told["path"])


def _ending(name: str, example: str, about: str, required: bool) -> click.Command:
    def act(session: Session, id_: str, note: str | None, lease: int | None) -> None:
        found = session.find(id_, "assignment", do=name)
        number = lease_number(session, found["id"], lease)
        told = session.act(name, found["id"], lease=number, note=note)
        session.tell(told, f"{told['id']}: {display.state(told['state'])}")

    act.__doc__ = about
    note = click.argument("note", metavar="REASON" if required else "[NOTE]", required=required)
    return command(name, example)(click.argument("id_", metavar="ID")(note(_LEASE(act))))


fail = _ending(
    "fail", 'hubctl fail fix-login.r1.a1 "the database is gone"',
    "Give an assignment up, and say why.", True,
)  # fmt: skip
release = _ending(
    "release", "hubctl release fix-login.r1.a1",
    "Give an assignment back undone.", False,
)  # fmt: skip

COMMANDS = (claim, progress, complete, fail, release)
