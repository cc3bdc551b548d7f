"""Runs over a real ledger: the list, the tree, what they add up to, and the account a hub starts with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hubd import accounting, query
from hubd.accounting import account_of
from hubd.clock import FakeClock
from hubd.core.document import Value
from hubd.core.due import ask
from hubd.core.effect import Proposal
from hubd.core.policy import Account
from hubd.founding import found
from hubd.outcome import Outcome
from hubd.query.reading import reading

AGENTS = ("lead:plan", "backend:python", "tester:review")
Rows = list[dict[str, Any]]


class Office:
    """A hub whose agents can be started. No process is: their runs begin and end as they are told here."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.hub = found(root, AGENTS, clock=self.clock)
        self.watched = Account()
        self.hub.on_step = lambda step, _commit: [self.watched.note(doc) for doc in step.documents]
        self._names = (f"n{n}.md" for n in itertools.count())
        for name in ("lead", "backend", "tester"):
            self.card(name)

    def card(self, name: str, *lines: str) -> None:
        text = "\n".join(
            ("---", "kind: agent", "launch: auto", "command: claude", "replicas: 9", *lines, "---", "")
        )
        self.judge(Proposal("operator", "cards", f"cards/{name}.md", text.encode()))

    def judge(self, proposal: Proposal) -> Outcome:
        outcome = self.hub.judge(proposal)
        assert outcome.ok, outcome
        self.clock.advance(1)
        return outcome

    def drop(self, who: str, *lines: str, body: str = "Text.") -> str:
        """Save a document in an outbox, and have it judged."""
        name = next(self._names)
        (self.hub.layout.outbox(who) / name).write_text("\n".join(("---", *lines, "---", body, "")))
        outcome = self.hub.submit(who, name)
        assert outcome is not None
        assert outcome.ok, outcome
        return outcome.id

    def mail(self, to: str, who: str = "operator") -> str:
        return self.drop(who, "kind: message", f"to: {to}", "subject: News")

    def part(self, to: str) -> str:
        """Return an assignment that is pending."""
        plan = f"assignments: [{{to: {to}, goal: Do it}}]"
        return self.drop("operator", "kind: task", "title: Fix it", "owner: lead", plan) + ".r1.a1"

    def start(self, agent: str, *on: str, by: str = "hub") -> str:
        if by == "hub":
            return self.judge(ask("start", agent, **({"for": on} if on else {}))).id
        lines = [f"for: [{', '.join(on)}]"] if on else []
        name = next(self._names)
        text = "\n".join(("---", "kind: request", "do: start", f"on: {agent}", *lines, "---", ""))
        (self.hub.layout.outbox(by) / name).write_text(text)
        outcome = self.hub.submit(by, name)
        assert outcome is not None
        return outcome.id

    def end(self, run: str, outcome: str = "done", **more: Value) -> None:
        self.judge(ask("end", run, result={"outcome": outcome, **more}))

    def hand_off(self, part: str) -> None:
        doc = self.hub.state.get(part)
        assert doc is not None
        lines = (f"assignment: {part}", f"lease: {doc.text('lease')}", "outcome: done", "summary: Done")
        self.drop(doc.text("to"), "kind: handoff", *lines)

    def ask(self, what: str, **args: Any) -> dict[str, Any]:
        return query.answer(self.hub, what, args)

    def rows(self, **args: Any) -> Rows:
        answer: Rows = self.ask("runs", **args)["runs"]
        return answer

    def ids(self, **args: Any) -> list[str]:
        return [row["id"] for row in self.rows(**args)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "box")
    with office.hub:
        yield office


# the list


def test_a_run_is_listed_with_all_that_is_known_of_it(office: Office) -> None:
    part = office.part("backend")
    run = office.start("backend", part)
    (row,) = office.rows()
    assert (row["id"], row["agent"], row["state"], row["on"]) == (run, "backend", "started", [part])
    assert (row["depth"], row["parent"], row["runtime"], row["command"]) == (1, "", "process", "claude")
    assert (row["ended"], row["outcome"], row["seconds"], row["cost_usd"], row["turns"]) == (
        "",
        "",
        None,
        None,
        None,
    )
    office.hand_off(part)
    office.end(
        run, seconds="12.5", cost_usd="0.25", turns="3", input_tokens="100", output_tokens="20", exit="0",
        denied=("Bash", "Web"), session="abc", branch="hub/x", status="done, all of it", note="Well.",
    )  # fmt: skip
    (row,) = office.rows()
    assert (row["id"], row["state"], row["outcome"]) == (run, "ended", "done")
    assert (row["seconds"], row["cost_usd"], row["turns"]) == (12.5, 0.25, 3)
    assert (row["input_tokens"], row["output_tokens"], row["denied"]) == (100, 20, ["Bash", "Web"])
    assert (row["session"], row["branch"], row["exit"]) == ("abc", "hub/x", "0")
    assert (row["status"], row["note"]) == ("done, all of it", "Well.")
    assert row["created"] < row["ended"]


def test_runs_are_listed_newest_first_those_that_go_on_among_them(office: Office) -> None:
    begun = [office.start("backend", office.mail("backend")) for _ in range(4)]
    office.end(begun[1])
    office.end(begun[0])
    assert office.ids() == begun[::-1]
    assert set(office.ids(limit=3)) == {begun[3], begun[2], begun[0]}, "what goes on, and what ended last"
    assert office.ids(limit=1) == [begun[3]]


def test_the_list_can_be_of_one_agent_one_document_or_one_run(office: Office) -> None:
    part, mail = office.part("tester"), office.mail("backend")
    first, second = office.start("tester", part), office.start("backend", mail)
    office.end(first, "failed")
    again = office.start("tester", part)
    assert office.ids(agent="backend") == [second]
    assert office.ids(task=part) == office.ids(id=part.partition(".")[0]) == [again, first]
    assert office.ids(id=mail) == office.ids(id=second) == [second]
    assert office.ids(task=part[:-1]) == [], "an id is no prefix here"
    assert office.ids(agent="nobody") == []


def test_the_list_ends_where_it_is_told_to(office: Office) -> None:
    old = office.start("backend", office.mail("backend"))
    office.end(old)
    office.clock.advance(3600)
    new = office.start("backend", office.mail("backend"))
    office.end(new)
    since = office.rows()[0]["created"]
    assert office.ids(since=since) == [new]
    assert office.ask("runs", since="yesterday")["code"] == "bad-value"
    told = office.ask("runs", scan=2)
    assert ([row["id"] for row in told["runs"]], told["more"]) == ([new], True)
    assert office.ask("runs")["more"] is False


def test_a_tree_has_each_run_below_the_one_that_led_to_it(office: Office) -> None:
    top = office.start("lead", office.mail("lead"))
    below = office.start("backend", office.mail("backend", who="lead"))
    office.end(below)
    deep = office.start("tester", office.mail("tester", who="lead"))
    office.end(top)
    other = office.start("tester", office.mail("tester"))
    (first, second) = office.ask("runs", tree=True)["tree"]
    assert (first["id"], first["children"]) == (other, [])
    assert (second["id"], [c["id"] for c in second["children"]]) == (top, [deep, below])
    assert [c["depth"] for c in second["children"]] == [2, 2]
    told = office.ask("runs", tree=True, agent="backend")
    assert [row["id"] for row in told["runs"]] == [below, top], "what led to it is shown with it"
    assert [node["id"] for node in told["tree"]] == [top]
    again = office.start("backend", office.mail("backend", who="tester"))
    told = office.ask("runs", tree=True, agent="backend")
    assert [row["id"] for row in told["runs"]] == [again, deep, below, top], "each once"


def test_runs_can_be_read_beside_a_hub(office: Office) -> None:
    office.end(office.start("backend", office.mail("backend")), "failed", seconds="1")
    office.start("tester", office.mail("tester"))
    with reading(office.hub.layout) as seen:
        assert query.answer(seen, "runs", {"tree": True}) == office.ask("runs", tree=True)
        since = "2020-01-01T00:00:00Z"
        assert query.answer(seen, "stats", {"since": since}) == office.ask("stats", since=since)
        assert query.answer(seen, "stats", {})["agents"] == {}, "the machine's own clock is far from a test's"


# what they add up to


def test_stats_add_up_how_runs_ended_and_what_they_cost(office: Office) -> None:
    for seconds in range(1, 11):
        office.end(office.start("backend", office.mail("backend")), seconds=str(seconds), cost_usd="0.1")
    results: tuple[tuple[str, Mapping[str, Value]], ...] = (
        ("failed", {"exit": "1"}), ("failed", {"exit": "1"}), ("failed", {"exit": "signal 9"}),
        ("timed_out", {}), ("stopped", {}), ("lost", {}),
    )  # fmt: skip
    for outcome, more in results:
        office.end(office.start("tester", office.mail("tester")), outcome, **more)
    part = office.part("tester")
    office.end(office.start("tester", part), "done", denied=("Bash",))
    told = office.ask("stats")["agents"]
    assert list(told) == ["backend", "tester"]
    assert told["backend"] == {
        "runs": 10, "outcomes": {"done": 10}, "median_seconds": 5.5, "p90_seconds": 9.0, "cost_usd": 1.0,
        "failures": {},
    }  # fmt: skip
    assert told["tester"]["outcomes"] == {
        "failed": 3, "timed_out": 1, "stopped": 1, "lost": 1, "no_handoff": 1,
    }  # fmt: skip
    assert told["tester"]["failures"] == {
        "failed, exit 1": 2, "failed, signal 9": 1, "timed_out": 1, "lost": 1,
        "no_handoff, denied Bash": 1,
    }  # fmt: skip
    assert (told["tester"]["median_seconds"], told["tester"]["cost_usd"]) == (None, 0)
    assert list(office.ask("stats", agent="tester")["agents"]) == ["tester"]


def test_stats_are_of_the_last_days(office: Office) -> None:
    office.end(office.start("backend", office.mail("backend")))
    office.clock.advance(3 * 86_400)
    office.end(office.start("backend", office.mail("backend")), "failed")
    assert office.ask("stats")["agents"]["backend"]["runs"] == 2
    assert office.ask("stats", days=2)["agents"]["backend"]["outcomes"] == {"failed": 1}
    assert office.ask("stats", since="soon")["code"] == "bad-value"
    assert office.ask("stats", scan=3)["more"] is True


# the account that a hub starts with


def same(office: Office, account: Account) -> bool:
    """Return whether an account says what one says that has noted every step."""
    now = office.hub.now()
    questions: tuple[Callable[[Account, str], object], ...] = (
        lambda a, n: a.launches(n, now), lambda a, n: a.cost(n, now), lambda a, n: a.failures(n),
        lambda a, n: a.last_end(n), lambda a, n: a.launch_in(n, 1, now),
    )  # fmt: skip
    return all(
        ask_(account, n) == ask_(office.watched, n) for ask_ in questions for n in office.hub.state.cards
    )


def test_a_hub_that_starts_knows_what_one_knows_that_was_there(office: Office) -> None:
    for outcome in ("failed", "lost", "no_handoff"):
        office.end(office.start("backend", office.mail("backend")), outcome, cost_usd="0.5")
        office.clock.advance(1000)
    office.end(office.start("tester", office.mail("tester")), "failed")
    office.start("tester", office.mail("tester"))
    office.end(office.start("lead", office.mail("lead")), "done", cost_usd="2")
    account = account_of(office.hub)
    assert same(office, account)
    assert (account.failures("backend"), account.failures("tester")) == (2, 1)
    assert (account.cost("backend", office.hub.now()), account.launches("tester", office.hub.now())) == (
        1.5,
        2,
    )


def test_what_a_person_forgave_stays_forgiven(office: Office) -> None:
    for name in ("backend", "tester", "lead"):
        office.end(office.start(name, office.mail(name)), "failed")
    going = office.start("backend", office.mail("backend"))
    run = office.start("backend", office.mail("backend"), by="operator")
    office.card("tester", "model: sonnet")
    proposed = office.drop("lead", "kind: agent", "name: lead", "command: codex")
    office.drop("operator", "kind: request", "do: approve", f"on: {proposed}")
    account = account_of(office.hub)
    assert [account.failures(n) for n in ("backend", "tester", "lead")] == [0, 0, 0]
    office.end(run, "failed")
    office.end(going, "failed")
    account = account_of(office.hub)
    assert same(office, account)
    assert account.failures("backend") == 2, "how they ended was not known when it was forgiven"


def test_what_lies_more_than_a_day_or_too_many_commits_back_is_not_counted(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.end(office.start("backend", office.mail("backend")), "failed", cost_usd="1")
    office.clock.advance(86_000)
    office.end(office.start("tester", office.mail("tester")), "failed", cost_usd="1")
    assert account_of(office.hub).failures("backend") == 1
    monkeypatch.setattr(accounting, "MOST", 2)
    assert account_of(office.hub).failures("backend") == 0
    monkeypatch.setattr(accounting, "MOST", 20_000)
    office.clock.advance(1000)
    account = account_of(office.hub)
    assert (account.failures("backend"), account.failures("tester")) == (0, 1)


def test_where_nobody_can_be_started_history_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with found(tmp_path / "box", AGENTS) as hub:
        monkeypatch.setattr(type(hub.ledger), "log", None)
        assert account_of(hub).failures("backend") == 0


def test_a_refused_start_is_no_launch(office: Office) -> None:
    mail = office.mail("backend")
    name = office.hub.layout.outbox("lead") / "start.md"
    name.write_text(f"---\nkind: request\ndo: start\non: backend\nfor: [{mail}]\n---\n")
    refused = office.hub.submit("lead", name.name)
    assert refused is not None
    assert refused.code == "not-yours"
    assert account_of(office.hub).launches("backend", office.hub.now()) == 0
    office.start("backend", mail)
    assert account_of(office.hub).launches("backend", office.hub.now()) == 1
