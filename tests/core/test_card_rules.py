"""What a card says about how its agent is started is checked when it is saved, and shown to approvers."""

from __future__ import annotations

import pytest

from hubd.core.effect import Step
from hubd.core.model import PRESETS
from tests.core.launches import mail, part, staffed
from tests.core.play import Table, accepted, refused

WHOLE = (
    "capabilities: [python, review]", "launch: auto", "shutdown: empty", "idle_timeout: 30m",
    "runtime: process", "command: claude", "directory: ~/projects/backend",
    "worktree: {base: main, copy: [.env], setup: [make, deps]}", "timeout: 30m", "replicas: 1",
    "model: sonnet", "permission_mode: acceptEdits",
    "allowed_tools: [Read, Edit, Bash]", "disallowed_tools: []", "budget_usd: 1.0", "env: {LOG_LEVEL: info}",
    "pass_env: [ANTHROPIC_API_KEY]",
    'container: {image: "debian:12", mounts: ["~/data:/data:ro"], network: none, memory: 2g, cpus: 1.5}',
)  # fmt: skip


def test_a_card_may_say_all_there_is_to_say() -> None:
    table = Table()
    accepted(table.card("backend", *WHOLE))
    for preset in PRESETS:
        accepted(table.card("backend", f"command: {preset}"))
    accepted(table.card("backend", "command: [python3, -m, agent]"))
    accepted(table.card("backend", "worktree: {}", "directory: /srv/app"))


KEY = "ghp_" + "a" * 36


@pytest.mark.parametrize(
    ("lines", "line", "said", "hint"),
    [
        (("command: clade",), 3, "did you mean `claude`", "preset"),
        (("command: my-agent",), 3, "no preset `my-agent`", "as a list"),
        (("command: python3 agent.py",), 3, "no preset", "as a list"),
        (("command: []",), 3, "a word, or a list", ""),
        (("launch: auto",), 3, "needs `command:`", "add `command:`"),
        (("launch: always", "human: true"), 3, "a person is not started", "leave out"),
        (("runtime: container", "command: claude"), 3, "needs an image", "image"),
        (("runtime: container", "container: {network: none}"), 3, "needs an image", "image"),
        (("container: {imag: x}",), 3, "did you mean `image`", ""),
        (("container: {memory: much}",), 3, "`memory`", "512m"),
        (("container: {mounts: [data]}",), 3, "`mounts`", "~/data:/data:ro"),
        (('container: {mounts: ["/a:/b:rwx"]}',), 3, "`mounts`", ":ro"),
        (('container: {mounts: ["../a:/b"]}',), 3, "`mounts`", ":ro"),
        (("container: {network: a b}",), 3, "`network`", "none"),
        (('container: {image: "--privileged"}',), 3, "`image`", "debian"),
        (("container: {user: root}",), 3, "`user`", "1000"),
        (("container: {cpus: many}",), 3, "`cpus` must be a number", ""),
        (("directory: projects/app",), 3, "begins with / or ~/", "whole path"),
        (("directory: ~root/app",), 3, "begins with / or ~/", "whole path"),
        (("directory: /srv/../etc",), 3, "begins with / or ~/", "whole path"),
        (("worktree: {base: main}",), 3, "needs `directory:`", "add `directory:`"),
        (("directory: /a", "worktree: {bas: main}"), 4, "did you mean `base`", ""),
        (("directory: /a", 'worktree: {base: "--upload-pack=x"}'), 4, "`base`", "main"),
        (("directory: /a", "worktree: {base: a..b}"), 4, "`base`", "main"),
        (("directory: /a", "worktree: {copy: [/etc/passwd]}"), 4, "`copy` must be a glob", ""),
        (("directory: /a", "worktree: {copy: [../x]}"), 4, "`copy` must be a glob", ""),
        (("directory: /a", "worktree: {copy: [.env, conf/*]}"), 4, "no patterns", "each of them"),
        (("directory: /a", "worktree: {setup: []}"), 4, "`setup` must be a word", ""),
        (("replicas: 0",), 3, "from 1 to", "1 or more"),
        (("replicas: 101",), 3, "from 1 to", "1 or more"),
        (("timeout: 0s",), 3, "a second at least", "30m"),
        (("idle_timeout: 0s",), 3, "a second at least", "30m"),
        (("budget_usd: cheap",), 3, "a number", ""),
        (("env: {HUB_RUN: x}",), 3, "are the hub's", "leave it out"),
        (("pass_env: [HUB_LEASE]",), 3, "are the hub's", "leave it out"),
        (("pass_env: HUB_X",), 3, "are the hub's", "leave it out"),
        (("pass_env: [MY KEY]",), 3, "no name of a variable", "API_KEY"),
        (("env: {a-b: x}",), 3, "no name of a variable", "API_KEY"),
        (("env: {A: [x]}",), 3, "must be text", "quotes"),
        ((f"env: {{TOKEN: {KEY}}}",), 3, "looks like a secret", "pass_env: [TOKEN]"),
    ],
)
def test_a_card_that_could_not_be_carried_out_is_refused_with_its_line(
    lines: tuple[str, ...], line: int, said: str, hint: str
) -> None:
    table = Table()
    answer = table.card("fresh", *lines)
    assert refused(answer) in ("bad-value", "missing-key")
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert answer.refusal.line == line
    assert said in answer.refusal.message
    assert hint in answer.refusal.hint
    assert KEY not in answer.refusal.written + answer.refusal.correct
    assert table.state.card("fresh") is None
    proposed = "\n".join(("---", "kind: agent", "name: fresh", *lines, "---", ""))
    assert refused(table.drop("anna", proposed)) == refused(answer)


def test_the_nearest_preset_is_shown_as_the_line_should_be() -> None:
    cases = (("Claude", "claude"), ("codx", "codex"), ("python3 agent.py", "[python3, agent.py]"))
    for wrong, right in cases:
        answer = Table().card("fresh", f"command: {wrong}")
        assert isinstance(answer, Step)
        assert answer.refusal is not None
        assert answer.refusal.correct == f"command: {right}"


def test_the_orchestrator_has_a_command_and_is_no_person_as_long_as_it_is_one() -> None:
    table = staffed()
    for name, code in (("nobody", "unknown-recipient"), ("ben", "cannot-start"), ("critic", "cannot-start")):
        answer = table.settings("max_rounds: 3", f"orchestrator: {name}")
        assert refused(answer) == code
        assert isinstance(answer, Step)
        assert answer.refusal is not None
        assert answer.refusal.line == 2
    accepted(table.settings("orchestrator: lead"))
    assert refused(table.card("lead", "capabilities: [plan]")) == "still-needed"
    assert refused(table.card("lead", "human: true")) == "still-needed"
    assert refused(table.propose("operator", "cards", "cards/lead.md", None)) == "still-needed"
    accepted(table.card("lead", "command: claude"))
    accepted(table.settings())
    accepted(table.card("lead", "capabilities: [plan]"))


# what an approver reads


def test_an_approver_of_a_card_sees_what_would_be_started_and_what_would_change() -> None:
    table = Table()
    accepted(table.card("backend", *WHOLE))
    text = "\n".join(("---", "kind: agent", *WHOLE, "---", "Be bold.", ""))
    text = text.replace("acceptEdits", "bypassPermissions").replace("budget_usd: 1.0", "budget_usd: 100")
    proposed = accepted(table.drop("backend", text))
    shown = table.read(proposed)
    for said in (
        "-permission_mode: acceptEdits", "+permission_mode: bypassPermissions", "-budget_usd: 1.0",
        "+budget_usd: 100", "+Be bold.", "$100, 30m a run", "$1.0, 30m a run",
    ):  # fmt: skip
        assert said in shown
    accepted(table.approve(proposed))
    assert table.tree["cards/backend.md"].decode() == text


def test_an_approver_of_a_new_card_is_told_that_there_was_none() -> None:
    table = Table()
    proposed = accepted(table.drop("anna", "---\nkind: agent\nname: fresh\ncommand: [sh, -c, work]\n---\n"))
    assert "There is no card of `fresh` yet." in table.read(proposed)
    assert "| fresh | sh -c work, by a person alone |" in table.read(proposed)


def test_a_card_that_is_wrong_by_now_is_not_put_in_place() -> None:
    table = staffed()
    proposed = accepted(table.drop("lead", "---\nkind: agent\ncapabilities: [plan]\n---\n"))
    accepted(table.settings("orchestrator: lead"))
    assert refused(table.approve(proposed)) == "still-needed"
    later = accepted(table.drop("lead", "---\nkind: agent\ncommand: claude\n---\n"))
    assert refused(table.edit(later, ("command: claude", "command: clade"))) == "bad-value"


def test_an_approver_of_a_round_sees_who_is_started_with_which_rights() -> None:
    table = Table()
    accepted(table.card("backend", *WHOLE))
    container = ("runtime: container", 'container: {image: "debian:12", network: none}')
    accepted(table.card("tester", "capabilities: [review]", "command: [look]", *container))
    round_ = table.plan(table.task(), "backend: Do it", "any:review: Look < 1", "ben: Decide", "critic: Say")
    shown = table.read(round_)
    for said in (
        "claude, model sonnet, by itself", "acceptEdits; may use Read, Edit, Bash; is given LOG\\_LEVEL, ",
        "~/projects/backend; a worktree for each assignment, from main", "$1.0, 30m a run",
        "nothing: a person", "nothing: it takes part by itself", "any:review (now",
    ):  # fmt: skip
        assert said in shown
    other = table.plan(table.task(), "tester: Look")
    assert "container debian:12; network none" in table.read(other)


def test_a_saved_card_takes_effect_at_the_next_start() -> None:
    table = staffed()
    accepted(table.card("backend", "command: claude", "runtime: pty"))
    run = table.doc(accepted(table.start("backend", mail(table))))
    assert (run.text("command"), run.text("runtime")) == ("claude", "pty")
    accepted(table.card("backend", "human: true"))
    assert refused(table.start("backend", part(table), actor="anna")) == "cannot-start"
