"""Turn addresses into names: `owner`, `operator`, `any:CAPABILITY`, `name@host`."""

from __future__ import annotations

from collections.abc import Sequence

from hubd.core.effect import Doc, Refusal
from hubd.core.work import Work


def resolve(work: Work, address: str, task: Doc | None = None, busy: Sequence[str] = ()) -> str | Refusal:
    """Return the one agent that an address means.

    `busy` are names given work by this very step: they count as load. Refuses `unknown-recipient`,
    `unknown-host`, `no-such-capability`, `no-task`.
    """
    name, _, host = address.partition("@")
    if host and host != work.state.host:
        said = f"this hub is `{work.state.host}`, and knows no host `{host}`"
        return Refusal("unknown-host", said, f"write `{name}`")
    if name == "operator":
        return work.settings.word("operator")
    if name == "owner":
        if task is None:
            return Refusal("no-task", "`owner` means the owner of a task, and none is named")
        return work.owner(task)
    if name.startswith("any:"):
        able = work.state.with_capability(name[4:])
        if not able:
            known = sorted({c for card in work.state.cards.values() for c in card.texts("capabilities")})
            hint = "known capabilities: " + (", ".join(known) or "none; a card names them")
            return Refusal("no-such-capability", f"no agent has the capability `{name[4:]}`", hint)
        return min(able, key=lambda n: (work.state.load(n) + busy.count(n), n))
    return name if work.state.card(name) is not None else unknown_agent(work, name)


def unknown_agent(work: Work, name: str) -> Refusal:
    """Refuse a name that nobody has."""
    return Refusal(
        "unknown-recipient", f"there is no agent `{name}`", "agents: " + ", ".join(sorted(work.state.cards))
    )
