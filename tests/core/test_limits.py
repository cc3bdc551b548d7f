"""Every limit of hub.yaml that the core enforces, at its edge; and the environment over it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubd.core.document import parse_settings
from hubd.core.effect import Refusal
from hubd.core.settings import IDENTITY, SETTINGS, Settings, read_settings, with_environment
from tests.core.play import Answer, Table, accepted, assignments, refused

SHELL = {
    "rate", "burst", "bulk", "settle", "decision_delay", "archive_days", "archive_files", "host", "grace",
    "output_mib", "runs_days", "worktrees", "engine", "notify", "remind",
}  # fmt: skip
"""Settings that the shell carries out."""


def rounds(table: Table) -> Answer:
    _, round_ = table.dispatched("backend: X")
    table.do(f"{round_}.a1")
    return table.review(round_, "changes_requested")


def plans(table: Table) -> Answer:
    task = table.task()
    for _ in range(2):
        accepted(table.request("operator", "reject", table.plan(task)))
    return table.try_plan(task)


def size(table: Table) -> Answer:
    return table.try_plan(table.task(), *(f"backend: {n}" for n in range(3)))


def messages(table: Table) -> Answer:
    task = table.task()
    for _ in range(2):
        accepted(table.send("backend", "lead", f"task: {task}"))
    return table.send("backend", "lead", f"task: {task}")


def held(table: Table) -> Answer:
    _, round_ = table.dispatched(*(f"backend: {n}" for n in range(3)))
    table.claim(f"{round_}.a1")
    table.claim(f"{round_}.a2")
    return table.request("backend", "claim", f"{round_}.a3")


def recipients(table: Table) -> Answer:
    return table.send("backend", "[lead, tester, critic]")


def hops(table: Table) -> Answer:
    first = accepted(table.send("backend", "lead"))
    second = accepted(table.send("lead", "backend", f"reply_to: {first}"))
    return table.send("backend", "lead", f"reply_to: {second}")


@pytest.mark.parametrize(
    ("setting", "least", "play", "code"),
    [
        ("max_rounds", 1, rounds, "too-many-rounds"),
        ("max_rounds", 2, plans, "too-many-rounds"),
        ("max_assignments_per_round", 2, size, "too-many-assignments"),
        ("max_messages_per_task", 2, messages, "too-many-messages"),
        ("max_simultaneous_assignments", 2, held, "too-many-held"),
        ("max_recipients", 2, recipients, "too-many-recipients"),
        ("max_hop_count", 2, hops, "too-many-hops"),
    ],
)
def test_a_limit_holds_at_its_edge_and_one_more_is_allowed_when_it_is_raised(
    setting: str, least: int, play: object, code: str
) -> None:
    assert callable(play)
    assert refused(play(Table(**{setting: str(least)}))) == code
    accepted(play(Table(**{setting: str(least + 1)})))


def test_max_attempts() -> None:
    for most in (1, 2):
        table = Table(max_attempts=str(most))
        _, round_ = table.dispatched("backend: X")
        for attempt in range(most):
            assert table.doc(f"{round_}.a1").number("attempt") == attempt + 1
            table.claim(f"{round_}.a1")
            table.later(90 * 60)
        assert table.state_of(f"{round_}.a1") == "failed"


def test_lease_minutes() -> None:
    table = Table(lease_minutes="10")
    _, round_ = table.dispatched("backend: X")
    table.claim(f"{round_}.a1")
    accepted(table.request("tester", "lease", "db"))
    table.later(599)
    assert len(table.state.leases()) == 2
    table.later(1)
    assert table.state.leases() == []


def test_held_work_that_waits_for_an_answer_does_not_count() -> None:
    table = Table(max_simultaneous_assignments="1")
    _, round_ = table.dispatched("backend: 1", "backend: 2")
    lease = table.claim(f"{round_}.a1")
    accepted(table.ask("backend", f"assignment: {round_}.a1", f"lease: {lease}"))
    table.claim(f"{round_}.a2")


def test_a_task_that_carries_its_plan_keeps_to_the_limits() -> None:
    table = Table(max_assignments_per_round="1")
    plan = "\n".join(assignments("backend: 1", "tester: 2"))
    assert refused(table.drop("lead", f"---\nkind: task\ntitle: X\n{plan}\n---\n")) == "too-many-assignments"


def test_the_environment_goes_before_the_file() -> None:
    table = Table({"HUB_MAX_ROUNDS": "7", "HUB_AUTO_APPROVE": "true", "HUB_SETTLE": "1s"})
    accepted(table.settings("max_rounds: 2", "max_attempts: 9"))
    settings = table.state.settings
    assert (settings.number("max_rounds"), settings.number("max_attempts")) == (7, 9)
    assert settings.flag("auto_approve")
    assert settings.seconds("settle") == 1.0


# Of a setting that is words any text is one word: there is nothing wrong to say.
@pytest.mark.parametrize(
    "name", sorted(n for n, s in SETTINGS.items() if n not in IDENTITY and s.type != "words")
)
def test_every_limit_can_be_overridden(name: str) -> None:
    setting = SETTINGS[name]
    value = {
        "int": str(int(setting.least) + 1), "bool": "true", "duration": "1s", "choice": "refuse",
        "number": "1.5", "path": "~/there", "name": "backend",
    }[setting.type]  # fmt: skip
    over = with_environment(Settings(), {f"HUB_{name.upper()}": value})
    assert isinstance(over, Settings)
    assert over.word(name) == value
    wrong = with_environment(Settings(), {f"HUB_{name.upper()}": "Rubbish!"})
    assert isinstance(wrong, Refusal)
    assert f"HUB_{name.upper()}" in wrong.message


def test_who_approves_is_not_the_environments_to_say() -> None:
    over = with_environment(Settings(), {f"HUB_{name.upper()}": "backend" for name in IDENTITY})
    assert isinstance(over, Settings)
    assert over.values == {}


def test_a_wrong_environment_refuses_the_file_rather_than_running_without_limits() -> None:
    assert refused(Table({"HUB_MAX_ROUNDS": "many"}).settings("max_rounds: 2")) == "bad-value"


def test_every_setting_is_enforced_by_somebody() -> None:
    """A setting that nothing reads would be a promise that is not kept."""
    core = Path(__file__).parents[2] / "hubd" / "core"
    text = "".join(p.read_text() for p in core.rglob("*.py") if p.name != "settings.py")
    read = set(re.findall(r"""settings\.(?:number|amount|seconds|flag|word|names)\(\s*"([a-z_]+)"\)""", text))
    read |= {"operator", "approvers"}
    assert set(SETTINGS) - read == SHELL


def test_the_template_holds_the_defaults() -> None:
    template = Path(__file__).parents[2] / "templates" / "hub.yaml"
    values = parse_settings(template.read_bytes())
    read = read_settings(values, template.read_text())
    assert isinstance(read, Settings)
    assert {name: read.values[name] for name in SETTINGS} == {name: s.default for name, s in SETTINGS.items()}
