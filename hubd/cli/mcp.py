"""Commands for MCP clients: mcp."""

from __future__ import annotations

from hubd.cli.frame import MISUSED, Ended, Session, command
from hubd.core.place import NAME

__all__ = ["COMMANDS"]


@command("mcp", "hubctl -C ~/mail --as lead mcp\nclaude mcp add hub -- hubctl -C ~/mail --as lead mcp")
def mcp(session: Session) -> None:
    """Serve the mailbox to an MCP client on standard input and output.

    Clients start it themselves. Its tools only read; they say which file to save in order to act.
    """
    who = session.named or ""
    if who and not NAME.match(who):
        raise Ended("that cannot be an agent's name", "names are of a-z, 0-9 and -", "usage", MISUSED)
    from hubd.mcp_server.asking import Failed
    from hubd.mcp_server.stdio import serve

    try:
        serve(session.layout, who)
    except Failed as failed:
        raise Ended(failed.message, failed.hint, failed.code) from failed


COMMANDS = (mcp,)
