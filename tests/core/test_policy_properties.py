"""Whatever happens, a plan keeps every limit, takes the oldest work first, and asks for nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubd.core.due import ask
from hubd.core.model import Kind
from hubd.core.policy import Plan, work_for
from hubd.core.policy.wanted import needs_claim
from tests.core.play import accepted
from tests.core.staff import Staff

NAMES = ("backend", "tester", "critic")
LAUNCHES = ("auto", "auto", "always", "manual")
ENDS = ("done", "failed", "stopped", "lost", "timed_out")

KINDS = (
    "mail", "mail", "parts", "plan", "plan", "plan", "plan", "plan", "up", "up", "end", "end", "hand", "ask",
    "answer", "take", "time", "pause",
)  # fmt: skip
ACTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.integers(0, 7)), min_size=5, max_size=40
)
LIMITS = st.fixed_dictionaries(
    {
        "max_concurrency": st.integers(1, 4),
        "max_launches_per_hour": st.integers(1, 6),
        "max_simultaneous_assignments": st.integers(1, 3),
        "max_failures": st.integers(1, 3),
        "max_depth": st.integers(1, 2),
        "backoff": st.sampled_from(("0s", "30s")),
        "orchestrator": st.sampled_from(("", "critic")),
    }
)


class Days(Staff):
    """A hub's days, in acts."""

    def __init__(self, limits: dict[str, object], replicas: list[int], launches: list[str]) -> None:
        super().__init__(**{k: str(v) for k, v in limits.items() if v})
        self.most = dict(zip(NAMES, replicas, strict=True))
        for name, launch in zip(NAMES, launches, strict=True):
            self.hire(name, f"replicas: {self.most[name]}", f"launch: {launch}")

    def act(self, what: str, who: int, number: int) -> None:
        name = NAMES[who]
        runs = [r.id for r in self.state.runs()]
        run = runs[number % len(runs)] if runs else ""
        match what:
            case "mail":
                mail = self.mail(name)
                if number % 3 == 2:
                    self.written_in(mail, "run-9", number % 4)
            case "parts":
                self.parts(name, 1 + number % 3)
            case "plan":
                self.look()
            case "time":
                self.pass_time((1, 15, 40, 600, 2000, 3700, 5400, 90_000)[number])
            case "pause":
                paused = self.state.lease(f"pause:{name}") is not None
                accepted(self.request("operator", "resume" if paused else "pause", name))
            case "up" if run:
                self.see(run, alone=number % 2 == 0)
            case "end" if run:
                self.end(run, ENDS[number % len(ENDS)])
            case "hand" | "ask" | "take" if run:
                held = [d for d in self.state.inbox(self.doc(run).text("agent")) if d.text("worker") == run]
                if held:
                    self.touch(what, held[0].id)
            case "answer":
                questions = [d.id for d in self.state.live() if d.kind is Kind.QUESTION]
                if questions:
                    accepted(self.request("operator", "answer", min(questions), "answer: So"))

    def touch(self, what: str, part: str) -> None:
        """Hand off what a run holds, ask about it, or take it away."""
        if what == "hand":
            self.handed(part)
        elif what == "ask":
            self.question(part)
        else:
            accepted(self.request("operator", "cancel", part))

    def wait(self, seconds: float) -> None:
        """Let time pass in which nothing is recorded."""
        wall, mono = self.now.wall + timedelta(seconds=seconds), self.now.mono + seconds
        self.now = replace(self.now, wall=wall, mono=mono)
        self.seen = {r: replace(seen, quiet=seen.quiet + seconds) for r, seen in self.seen.items()}

    def look(self) -> None:
        """Ask policy, look at its answer, carry it out, and ask again."""
        wanted = self.ask_policy()
        assert wanted == self.ask_policy(), "a plan is a function of what is given"
        self.check_limits(wanted)
        self.check_order(wanted)
        shown = {d.id for d in self.state.live() if d.text("shown")}
        asked = {id_ for start in wanted.starts for id_ in start.on}
        asked_to_tell = {id_ for tell in wanted.tells for id_ in tell.on}
        assert not (asked | asked_to_tell) & shown, "what was shown is new to nobody"
        assert not asked & asked_to_tell
        self.carry_out(wanted)
        again = self.ask_policy()
        done = {start for start in wanted.starts if start.on}
        assert not done & set(again.starts)
        assert not asked & {id_ for start in again.starts for id_ in start.on}
        assert not again.starts, "all that could be started was started at once"
        assert not {s.run for s in wanted.stops} & {s.run for s in again.stops}
        assert not asked_to_tell & {id_ for tell in again.tells for id_ in tell.on}

    def check_limits(self, wanted: Plan) -> None:
        number = self.state.settings.number
        going = self.state.runs()
        total = len(going) + len(wanted.starts)
        assert not wanted.starts or total <= number("max_concurrency")
        by_agent = Counter(start.agent for start in wanted.starts)
        for name, begun in by_agent.items():
            assert len(self.state.runs(name)) + begun <= self.most[name]
            assert self.account.launches(name, self.now) + begun <= number("max_launches_per_hour")
            claims = sum(needs_claim(self.doc(i)) for s in wanted.starts if s.agent == name for i in s.on)
            assert not claims or self.state.held_by(name) + claims <= number("max_simultaneous_assignments")
            assert self.state.lease(f"pause:{name}") is None
            assert self.account.failures(name) < number("max_failures")
            card = self.state.card(name)
            assert card is not None
            assert card.text("launch") != "manual" or name == self.state.settings.word("orchestrator")
        for start in wanted.starts:
            kinds = [self.doc(id_).kind for id_ in start.on]
            assert len(kinds) <= (1 if Kind.ASSIGNMENT in kinds else 20)
            deep = [self.doc(id_).number("depth") for id_ in start.on if self.doc(id_).text("run")]
            assert max(deep, default=0) < number("max_depth")

    def check_order(self, wanted: Plan) -> None:
        """Whoever waits for a slot of the hub's waits behind older work alone."""
        leader = self.state.settings.word("orchestrator")
        full = [h for h in wanted.held if h.code == "no-slot" and "max_concurrency" in h.message and h.on]
        begun = [s for s in wanted.starts if s.on and s.agent != leader]
        for held in full:
            age = self.doc(held.on[0]).number("rev")
            assert all(self.doc(start.on[0]).number("rev") <= age for start in begun)
        for name in NAMES:
            mine = [s.on for s in wanted.starts if s.agent == name and s.on]
            if mine and (name, "too-many-held") not in {(h.agent, h.code) for h in wanted.held}:
                assert mine[0] == work_for(self.state, name)


class Decided(Days):
    """The same, with every wish of policy's put to `decide`, which must grant it."""

    def begin(
        self, agent: str, *on: str, up: bool = True, alone: bool = True, by: str = "hub", **more: str
    ) -> str:
        run = accepted(self.put(ask("start", agent, **({"for": on} if on else {}))))
        assert self.doc(run).texts("on") == on
        self.account.note(self.doc(run))
        self.see(run, up=up, alone=alone)
        return run

    def stopping(self, run: str) -> None:
        if self.state_of(run) == "started":  # not stopped yet with what had led to it
            accepted(self.put(ask("stop", run, note="so")))

    def show(self, run: str, *on: str) -> None:
        accepted(self.put(ask("show", run, **{"for": on})))
        assert set(on) <= set(self.doc(run).texts("on"))

    def end(self, run: str, outcome: str = "done", **more: str) -> None:
        accepted(self.put(ask("end", run, result={"outcome": outcome, **more})))
        self.account.note(self.doc(run))
        self.seen.pop(run, None)


@pytest.mark.parametrize("kind", [Days, Decided])
@settings(max_examples=60, deadline=None)
@given(
    limits=LIMITS,
    replicas=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    launches=st.lists(st.sampled_from(LAUNCHES), min_size=3, max_size=3),
    acts=ACTS,
)
def test_a_plan_keeps_every_limit_goes_in_order_and_asks_for_nothing_twice(
    kind: type[Days],
    limits: dict[str, object],
    replicas: list[int],
    launches: list[str],
    acts: list[tuple[str, int, int]],
) -> None:
    days = kind(limits, replicas, launches)
    for act in acts:
        days.act(*act)
    days.look()


@settings(max_examples=80, deadline=None)
@given(LIMITS, st.lists(st.sampled_from(("auto", "always")), min_size=3, max_size=3), ACTS)
def test_nothing_is_due_before_the_time_that_a_plan_names(
    limits: dict[str, object], launches: list[str], acts: list[tuple[str, int, int]]
) -> None:
    days = Days(limits, [1, 2, 1], launches)
    for act in acts:
        days.act(*act)
    days.carry_out(days.ask_policy())
    wanted = days.ask_policy()
    assert not wanted.starts
    assert not wanted.stops
    days.wait(100_000.0 if wanted.again_in is None else wanted.again_in - 0.005)
    later = days.ask_policy()
    assert (later.starts, later.stops, later.tells, later.renews) == ((), (), wanted.tells, ())
