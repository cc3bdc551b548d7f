"""What is started, as people read it: before they approve it, and while it goes on.

Rule: what stands here comes from cards as they are now; a card that changes later changes what is started.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubd.core.block.quoting import Page, inline, request, table
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.time import parse_duration

_LAUNCHED = {"auto": "by itself", "always": "kept up"}
_HEAD = ("who", "is started", "rights", "works in", "at most")


def starts(page: Page, who: list[tuple[str, Doc | None]]) -> str:
    """Return a table of what is started for whom, with which rights, where, and how much it may cost."""
    return table(_HEAD, [_row(page, name, card) for name, card in who])


def _row(page: Page, name: str, card: Doc | None) -> tuple[str, ...]:
    if card is None:
        return (page.line(name), "not known yet", "-", "-", "-")
    if card.text("human") == "true":
        return (page.line(name), "nothing: a person", "-", "-", "-")
    if not card.document.get("command"):
        return (page.line(name), "nothing: it takes part by itself", "-", _where(page, card), "-")
    return (page.line(name), _command(page, card), _rights(page, card), _where(page, card), _most(page, card))


def _command(page: Page, card: Doc) -> str:
    parts = [" ".join(card.texts("command"))]
    if card.text("model"):
        parts.append(f"model {card.text('model')}")
    parts.append(_LAUNCHED.get(card.text("launch"), "by a person alone"))
    return page.line(", ".join(parts))


def _rights(page: Page, card: Doc) -> str:
    parts = [card.text("permission_mode")]
    for key, said in (("allowed_tools", "may use"), ("disallowed_tools", "may not use")):
        if card.texts(key):
            parts.append(f"{said} {', '.join(card.texts(key))}")
    names = [*_names(card, "env"), *card.texts("pass_env")]
    if names:
        parts.append(f"is given {', '.join(names)}")
    return page.line("; ".join(part for part in parts if part) or "the client's own defaults")


def _names(card: Doc, key: str) -> tuple[str, ...]:
    value = card.document.get(key)
    return tuple(value) if isinstance(value, Mapping) else ()


def _where(page: Page, card: Doc) -> str:
    parts = [card.text("directory") or "its own folder"]
    if card.document.get("worktree") is not None:
        base = _part(card, "worktree", "base")
        parts.append("a worktree for each assignment" + (f", from {base}" if base else ""))
    if card.text("runtime") == "container":
        parts.append(f"container {_part(card, 'container', 'image')}")
        for name in ("network", "mounts"):
            if said := _part(card, "container", name):
                parts.append(f"{name} {said}")
    elif card.text("runtime") == "pty":
        parts.append("a terminal")
    return page.line("; ".join(parts))


def _part(card: Doc, key: str, name: str) -> str:
    value = card.document.get(key)
    found = value.get(name, "") if isinstance(value, Mapping) else ""
    return ", ".join(str(v) for v in found) if isinstance(found, tuple) else str(found)


def _most(page: Page, card: Doc) -> str:
    budget = f"${card.text('budget_usd')}" if card.text("budget_usd") else "no budget"
    seconds = parse_duration(card.text("timeout")) if card.text("timeout") else None
    limit = card.text("timeout") if seconds else page.view.settings.word("run_timeout")
    runs = f", {card.text('replicas')} at once" if card.number("replicas", 1) > 1 else ""
    return page.line(f"{budget}, {limit} a run{runs}")


# a run


def run_text(agent: str, id_: str) -> str:
    """Return the text of a run's document: it stays when the run has ended."""
    return (
        f"One launch of {agent}'s process. `hubctl runs {id_}` tells how it went, with what it was told "
        f"(`--prompt`); `hubctl logs {id_}` shows what it printed.\n"
    )


def run(page: Page, doc: Doc) -> str:
    """Return what a run is that goes on, for whoever finds its document."""
    agent, by = doc.text("agent"), doc.text("from")
    led = f" `{doc.text('parent')}` led to it (depth {doc.text('depth')})." if doc.text("parent") else ""
    who = "the hub" if by == "hub" else by
    started = f"started by {who} at {doc.text('created')} ({doc.text('runtime')})."
    parts = [f"Run `{doc.id}` of {agent}: {page.line(doc.text('command'))}, {started}{led}"]
    if doc.state == "stopping":
        why = f": {page.line(doc.text('note'))}" if doc.text("note") else ""
        parts.append(f"It is being stopped{why}.")
    lines = [f"- {_about(page, id_)}" for id_ in doc.texts("on")]
    parts.append("It is for:\n\n" + "\n".join(lines) if lines else "It is there for whatever comes.")
    parts.append(
        f"There is nothing to do here: it lies here until it ends. `hubctl logs -f {doc.id}` shows what it "
        f"prints, `hubctl attach {doc.id}` its terminal, where it has one."
    )
    if doc.state == "started":
        operator = page.view.settings.word("operator")
        parts.append(f"A person stops it, and all that it led to: {request(operator, 'stop', doc.id)}")
    return "\n\n".join(parts)


def _about(page: Page, id_: str) -> str:
    doc = page.view.get(id_)
    if doc is None:
        return f"`{id_}`"
    key = {Kind.ASSIGNMENT: "goal", Kind.MESSAGE: "subject"}.get(doc.kind, "title")
    task = page.view.task_of(doc)
    said = doc.text(key) or (task.text("title") if task is not None else "")
    return f"`{id_}`, {inline(doc.kind.value)}: {page.line(said)}"
