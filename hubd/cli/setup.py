"""Commands that set up: init, up, down, demo, completion."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from hubd.cli import display, running
from hubd.cli.frame import Ended, Session, command
from hubd.cli.worktree import exclude, work_tree

__all__ = ["COMMANDS"]


@command("init", "hubctl init mailbox --agent lead:plan --agent backend:python,review")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="NAME[:CAN,CAN]",
    help="An agent, and what it can do; may be repeated.",
)
@click.option(
    "--operator", metavar="NAME", default="operator", show_default=True, help="The person who decides here."
)
@click.option(
    "--host",
    metavar="NAME",
    default="local",
    show_default=True,
    help="The mailbox's permanent name for this machine.",
)
@click.option("--here", is_flag=True, help="Also inside a git work tree; it is told to ignore the mailbox.")
@click.option(
    "--editors", is_flag=True, help="With settings for VS Code and Obsidian; also in one that exists."
)
def init(
    session: Session,
    directory: Path,
    agents: tuple[str, ...],
    operator: str,
    host: str,
    here: bool,
    editors: bool,
) -> None:
    """Make a mailbox in DIR, with a folder for each agent."""
    from hubd.layout import Layout

    root = directory.expanduser().resolve()
    if Layout(root).exists and editors:
        _tell_editors(session, root, "")
        return
    if Layout(root).exists:
        raise Ended(
            f"{root} is a mailbox already, and is left as it is",
            f"`hubctl -C {shlex.quote(str(directory))} status`",
            "exists",
        )
    around = work_tree(root)
    if around is not None and not here:
        hint = "make it elsewhere, or say --here: the work tree is then told to ignore it"
        raise Ended(f"{root} lies in the git work tree {around}", hint, "in-work-tree")
    if around == root:
        raise Ended(
            f"{root} is the top of a git work tree",
            f"name a folder in it: {directory / 'mailbox'}",
            "in-work-tree",
        )
    running.found(root, agents, operator, host)
    if around is not None:
        exclude(around, root)
    if editors:
        _tell_editors(session, root, operator)
    where = shlex.quote(str(directory))
    first = next((a.partition(":")[0] for a in agents), operator)
    told = {
        "schema": 1,
        "ok": True,
        "mailbox": str(root),
        "operator": operator,
        "agents": [a.partition(":")[0] for a in agents],
    }
    session.tell(
        told,
        f"made the mailbox {display.clean(str(root))}",
        f"1. start hubd:          hubctl -C {where} up",
        f'2. give somebody work:  hubctl -C {where} do {first} "say what"',
        f"3. look what happens:   hubctl -C {where} status   (or git log in there)",
    )


def _tell_editors(session: Session, root: Path, operator: str) -> None:
    """Offer the editors their settings; in a mailbox that exists, that is all there is to tell."""
    from hubd.connecting import editors
    from hubd.connecting.spans import Unfit

    existed = not operator
    if existed:
        session.directory = str(root)
        operator = str(session.ask("operator")["operator"])
    try:
        made = editors.offer(root, operator)
    except Unfit as error:
        raise Ended(error.what, error.hint, "unfit") from error
    if existed:
        rows = [f"made {path}" for path in made] or ["all is there already"]
        session.tell({"schema": 1, "ok": True, "mailbox": str(root), "made": made}, *rows)


@command("up", "hubctl up")
@click.option(
    "--wait",
    type=float,
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take to be ready.",
)
def up(session: Session, wait: float) -> None:
    """Start hubd in the background and wait until it is ready.

    Its log is .git/hub/log/hubd.log in the mailbox.
    """
    before = session.client.ping()
    if before is not None:
        told = {"schema": 1, "ok": True, "pid": before["pid"], "started": False}
        session.tell(told, f"hubd runs already, as process {before['pid']}")
        return
    pid = running.start(session.layout, wait)
    session.tell({"schema": 1, "ok": True, "pid": pid, "started": True}, f"hubd runs as process {pid}")


@command("down", "hubctl down")
@click.option(
    "--wait",
    type=float,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take to end.",
)
def down(session: Session, wait: float) -> None:
    """Stop hubd and what runs; what is ready is judged first."""
    session.outside_runs("down")
    pid = running.stop(session.client, wait)
    told = {"schema": 1, "ok": True, "pid": pid, "stopped": pid is not None}
    session.tell(told, f"hubd, process {pid}, has ended" if pid is not None else "hubd does not run here")


@command("demo", "hubctl demo --keep")
@click.option("--keep", is_flag=True, help="Keep the temporary folder, to look around in it.")
def demo(session: Session, keep: bool) -> int:
    """Play the whole story for real, in a temporary folder.

    A real hubd, three agents and a person that only save files, a real git project, two rounds.
    """
    from hubd.demo import main

    del session
    return main(["--keep"] if keep else [])


@command("completion", 'eval "$(hubctl completion bash)"')
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(session: Session, shell: str) -> None:
    """Print a script that completes hubctl in your shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    program = click.get_current_context().find_root().command
    source = found(program, {}, "hubctl", "_HUBCTL_COMPLETE").source()
    session.tell({"schema": 1, "ok": True, "script": source}, source)


COMMANDS = (init, up, down, demo, completion)
