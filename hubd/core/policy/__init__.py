"""Policy: who is to be started, stopped and told, from what is recorded and what is seen.

Guarantee: pure, and a function of what is given; asking twice asks for the same, and once that is recorded,
for nothing twice. What a plan costs grows with the cards, their inboxes and the runs that go on, with nothing
else.
Rule 1: what it says is only ever proposed; `decide` looks again. Rule 2: it looks at how things stand, never
at what happened.

An agent's card says when it is started (`launch`) and stopped (`shutdown`):

  manual  by a person alone                       manual  by a person alone
  auto    when something asks it to act that      empty   when what it was started for asks for nothing
          was shown to no run as it stands                any more, for `linger`
  always  so, and when it is not there            idle    when it works on nothing, and says nothing for
                                                          `idle_timeout`

One that is always there is never stopped by its card. Where a person stopped it, it stays down until somebody
starts it, its card is saved, or there is work for it; to keep it down for all that, pause it.

    terms.py      the words: what is seen, what is planned
    account.py    what the runs of the last day say
    wanted.py     what asks an agent to act; depth and parent of a run
    going.py      runs that go on: stops, renewals
    starting.py   starts, what is told, what is held back
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hubd.core.policy.account import FAILURES, Account
from hubd.core.policy.going import Going, launch_of, stop_order
from hubd.core.policy.starting import Starting
from hubd.core.policy.terms import Held, Observed, Plan, Renew, Start, Stop, Tell
from hubd.core.policy.wanted import lineage, work_for
from hubd.core.state import State
from hubd.core.time import Now

__all__ = [
    "FAILURES",
    "Account",
    "Held",
    "Observed",
    "Plan",
    "Renew",
    "Start",
    "Stop",
    "Tell",
    "agent_state",
    "launch_of",
    "lineage",
    "plan",
    "stop_order",
    "work_for",
]

_NOBODY: Mapping[str, str] = MappingProxyType({})


def plan(
    state: State,
    account: Account,
    observed: Mapping[str, Observed],
    now: Now,
    unfit: Mapping[str, str] = _NOBODY,
) -> Plan:
    """Return what is to be done now.

    `observed`: runs that go on, by id. `unfit`: agents that this machine cannot start, and why; they take
    nobody's turn.
    """
    going = Going(state, account, observed, now)
    starting = Starting(state, account, observed, now, unfit, frozenset(s.run for s in going.stops))
    waits = [wait for wait in (*going.waits, *starting.waits) if wait > 0]
    return Plan(
        tuple(starting.starts), going.stops, tuple(starting.tells), going.renews, tuple(starting.held),
        min(waits, default=None),
    )  # fmt: skip


def agent_state(state: State, account: Account, agent: str, observed: Mapping[str, Observed]) -> str:
    """Return how an agent is: inactive, starting, active, stopping, or error: its last run failed."""
    runs = state.runs(agent)
    begun = [r for r in runs if r.state == "started"]
    if any((seen := observed.get(r.id)) is not None and seen.up for r in begun):
        return "active"
    if begun:
        return "starting"
    if runs:
        return "stopping"
    return "error" if account.failures(agent) else "inactive"
