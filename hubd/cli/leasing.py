"""Commands for leases on any key: acquire, renew, release, list, show."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

import click

from hubd.cli import display
from hubd.cli.frame import Answer, Ended, Section, Session, command
from hubd.cli.glance import ends
from hubd.cli.holding import hold
from hubd.cli.working import worker_name
from hubd.core.time import parse_duration

__all__ = ["COMMANDS"]

_PAUSE = 0.5
_NUMBER = click.option(
    "--lease", type=click.IntRange(0), metavar="N", help="The lease you hold; read from the hub if not given."
)


def _held(session: Session, key: str) -> Answer:
    rows: Sequence[Answer] = session.ask("leases", key=key)["leases"]
    return rows[0]


def _mine(session: Session, key: str, number: int | None) -> tuple[str, str]:
    """The key and the number under which the actor acts."""
    row = _held(session, key)
    return str(row["key"]), str(row["lease"] if number is None else number)


@command(
    "acquire",
    "hubctl lease acquire branch:main --ttl 10m\n"
    'hubctl lease acquire docs --path "docs/**" --hold -- make docs',
)
@click.argument("key")
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="GLOB",
    help="A path glob that is covered; overlapping ones conflict. May be repeated.",
)
@click.option(
    "--ttl", metavar="DURATION", help="How long: 10m, 2h; the mailbox's lease_minutes, if not given."
)
@click.option("--wait", metavar="DURATION", help="Wait so long while somebody else holds it.")
@click.option("--worker", metavar="WORD", help="Your own word for yourself.")
@click.option("--note", metavar="TEXT", help="What for.")
@click.option("--hold", "holds", is_flag=True, help="Hold it while CMD runs, and give it back at its end.")
@click.argument("cmd", nargs=-1, type=click.UNPROCESSED)
def acquire(
    session: Session, key: str, paths: tuple[str, ...], ttl: str | None, wait: str | None, worker: str | None,
    note: str | None, holds: bool, cmd: tuple[str, ...],
) -> int:  # fmt: skip
    """Lease a key: nobody else can have it, or a path that overlaps yours, until you release it.

    Between cooperating workers this is a guard, not a proof: who does not ask is not stopped.
    """
    if bool(cmd) != holds:
        raise click.UsageError("--hold and a command go together: `hubctl lease acquire KEY --hold -- CMD…`")
    patience = parse_duration(wait) if wait else 0
    if patience is None:
        raise click.UsageError("--wait is a duration, such as 30s or 10m")
    told = _acquire(session, key, patience, path=paths, ttl=ttl, worker=worker_name(worker), note=note)
    row = _held(session, key)
    told = {**told, "lease": row["lease"], "key": key, "expires": row["expires"]}
    session.tell(
        told, f"{key}: {display.state('held')}, lease {row['lease']}, ends {ends(row, display.today())}"
    )
    return _work(session, row, cmd) if holds else 0


def _acquire(session: Session, key: str, patience: float, **fields: str | tuple[str, ...] | None) -> Answer:
    deadline = time.monotonic() + patience
    while True:
        try:
            return session.act("lease", key, **fields)
        except Ended as ended:
            if ended.answer["code"] != "lease-taken" or time.monotonic() >= deadline:
                raise
            _forget(session, ended)
        # Look, rather than ask again: each refusal is a commit.
        while time.monotonic() < deadline and _taken(session, key):
            session.client.rest()
            time.sleep(_PAUSE)


def _forget(session: Session, ended: Ended) -> None:
    """A refusal that we wait for is no news: its bounce need not lie in the inbox."""
    if ended.answer["bounce"]:
        session.act("ack", str(ended.answer["bounce"]))


def _taken(session: Session, key: str) -> bool:
    rows = session.ask("leases")["leases"]
    return any(row["key"] == key for row in rows)


def _work(session: Session, row: Answer, cmd: tuple[str, ...]) -> int:
    key, number = str(row["key"]), int(row["lease"])

    def mine() -> bool | None:
        held = [e for e in session.ask("leases")["leases"] if e["key"] == key]
        return bool(held and held[0]["lease"] == number)

    def renew() -> None:
        session.act("renew", key, lease=str(number))

    def after(code: int) -> int:
        if mine():
            session.act("unlease", key, lease=str(number))
        return code

    around = {"HUB_LEASE": str(number), "HUB_LEASE_KEY": key}
    return hold(session, cmd, number, float(row["ttl"]), around, renew, mine, after)


@command("renew", "hubctl lease renew branch:main --ttl 30m")
@click.argument("key")
@click.option("--ttl", metavar="DURATION", help="Another term than before.")
@_NUMBER
def renew_(session: Session, key: str, ttl: str | None, lease: int | None) -> None:
    """Renew a lease for another term."""
    key, number = _mine(session, key, lease)
    told = session.act("renew", key, lease=number, ttl=ttl)
    session.tell(
        told, f"{key}: ends {ends(_held(session, key), display.today())}" if not session.json else ""
    )


@command("release", "hubctl lease release branch:main")
@click.argument("key")
@_NUMBER
def release(session: Session, key: str, lease: int | None) -> None:
    """Give a lease back."""
    key, number = _mine(session, key, lease)
    told = session.act("unlease", key, lease=number)
    session.tell(told, f"{key}: {display.state(told['state'])}")


@command("list", "hubctl lease list")
def list_(session: Session) -> None:
    """List the leases that are held, of assignments too."""
    told = session.ask("leases")
    now = display.today()
    rows = [
        (e["key"], e["holder"], e["worker"], str(e["lease"]), ends(e, now), ", ".join(e["globs"]))
        for e in told["leases"]
    ]
    table = display.table(("key", "holder", "worker", "lease", "ends", "paths"), rows, give=2)
    session.tell(told, table if rows else "no lease is held")


@command("show", "hubctl lease show branch:main")
@click.argument("key")
def show(session: Session, key: str) -> None:
    """Show one lease: who holds it, for how long."""
    row = _held(session, key)
    now = display.today()
    lines = [
        f"{display.paint(display.line(row['key']), bold=True)}  {display.state('held')}, lease {row['lease']}"
    ]
    lines.append(
        f"holder  {row['holder']}" + (f" (worker {display.line(row['worker'])})" if row["worker"] else "")
    )
    lines.append(f"since   {display.ago(row['created'], now)}")
    lines.append(f"ends    {ends(row, now)}")
    if row["globs"]:
        lines.append(f"paths   {display.line(', '.join(map(shlex.quote, row['globs'])))}")
    if row["note"]:
        lines.append(f"note    {display.line(row['note'])}")
    session.tell({"schema": 1, **row}, *lines)


COMMANDS = (
    Section("lease", "Leases: who may work on what, until when.", (acquire, renew_, release, list_, show)),
)
