"""Commands for the tokens of agents that ask over HTTP: new, list, revoke."""

from __future__ import annotations

import click

from hubd.cli import display
from hubd.cli.frame import Ended, Section, Session, command
from hubd.tokens import TokenError, Tokens

__all__ = ["COMMANDS"]


def _tokens(session: Session, did: str) -> Tokens:
    session.outside_runs(f"token {did}")
    tokens = Tokens(session.layout)
    try:
        tokens.all()
    except TokenError as error:
        raise Ended(error.what, error.hint, "bad-tokens") from error
    return tokens


@command("new", "hubctl token new lead\nexport HUB_TOKEN=$(hubctl token new lead)")
@click.argument("name")
def new(session: Session, name: str) -> None:
    """Make a token with which NAME may ask `hubd --http`, and show it this once.

    It replaces the token that NAME had. Who has it reads the mailbox as NAME; it cannot write.
    """
    tokens = _tokens(session, "new")
    session.ask("agents", agent=name)
    session.tell({"schema": 1, "agent": name, "token": (token := tokens.new(name))}, token)


@command("list", "hubctl token list")
def list_(session: Session) -> None:
    """Say who has a token, and since when."""
    kept = _tokens(session, "list").all()
    rows = [(k.agent, display.ago(k.created, display.today())) for k in kept]
    answer = {"schema": 1, "tokens": [{"agent": k.agent, "created": k.created} for k in kept]}
    session.tell(answer, display.table(("agent", "made"), rows, give=0) if rows else "nobody has a token")


@command("revoke", "hubctl token revoke lead")
@click.argument("name")
def revoke(session: Session, name: str) -> None:
    """Make NAME's token useless, at once."""
    if not _tokens(session, "revoke").revoke(name):
        raise Ended(f"{name} has no token", "`hubctl token list` shows who has one", "unknown-token")
    session.tell({"schema": 1, "ok": True, "agent": name}, f"{name} has no token any more")


COMMANDS = (Section("token", "Tokens of agents that ask over HTTP.", (new, list_, revoke)),)
