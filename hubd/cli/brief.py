"""`hubctl brief`: for who has lost its memory.

Rule: what a person or agent asks for is not recorded as presented; only hooks know that a session was told.
"""

from __future__ import annotations

import click

from hubd.cli import display
from hubd.cli.frame import Session, command

__all__ = ["COMMANDS"]


@command("brief", "hubctl brief --as backend\nhubctl brief --budget 500")
@click.option(
    "--budget", type=click.IntRange(20), default=1500, show_default=True, help="The most tokens it may take."
)
def brief(session: Session, budget: int) -> None:
    """Say who you are, what you have in hand, and what is next.

    For an agent that has lost its context: its assignment and lease, what it holds, what lies in its inbox,
    who waits for it, the last handoffs. A token is counted as four characters.
    """
    told = session.ask("brief", agent=session.actor, budget=budget)
    session.tell(told, display.clean(told["text"]))


COMMANDS = (brief,)
