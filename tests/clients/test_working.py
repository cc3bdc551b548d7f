"""A real client works an assignment to its handoff, as its preset starts it, and no more is open to it."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.launch.granting import OWN
from hubd.launch.health import client_health
from hubd.launch.litter import clear_litter
from hubd.launch.presets import PRESETS
from hubd.launch.results import Result, share
from tests.clients.desk import BIN, Desk, git, needs
from tests.core.play import accepted
from tests.models import Fail, Hang, Say, Shell, Tool, asks, in_turn, trespasses, works

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]
CARD = {"claude": ("allowed_tools: [Read, Edit, Write, Bash]",), "codex": ()}


@pytest.fixture(params=["claude", "codex"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    needs(request.param)
    desk = Desk(tmp_path, request.param)
    yield desk
    assert not desk.sweep()


@pytest.fixture
def claude(tmp_path: Path) -> Desk:
    needs("claude")
    return Desk(tmp_path, "claude")


@pytest.fixture
def codex(tmp_path: Path) -> Desk:
    needs("codex")
    return Desk(tmp_path, "codex")


def test_it_works_an_assignment_to_its_handoff(desk: Desk) -> None:
    ran = desk.run(works(commit=False), desk.card(*CARD[desk.client]))
    assert (desk.tree / "hello.txt").read_text() == "Hello, world.\n"
    assert "Hello, world." in ran.served.asked[-1].results[2], "the command has run, and the model was told"
    (answer,) = desk.sent()
    accepted(answer)
    assert desk.table.state_of(desk.assignment_id) == "completed"
    said = ran.result
    assert (said.status, said.is_error, said.denied) == ("done", False, ())
    assert said.text.startswith("I have written hello.txt")
    assert said.session
    assert said.turns == len(ran.served.asked)
    assert said.input_tokens == 1000 * len(ran.served.asked)
    assert said.output_tokens == 100 * len(ran.served.asked)


def test_claude_says_what_it_has_cost(claude: Desk) -> None:
    ran = claude.run(works(), claude.card(*CARD["claude"]))
    assert ran.result.cost_total_usd is not None
    assert ran.result.cost_total_usd > 0
    assert ran.result.version == PRESETS["claude"].measured


def test_it_commits_where_it_may_and_hands_off_all_the_same_where_it_may_not(desk: Desk) -> None:
    """In a sandbox it may not: the git folder of a worktree is the project's, and shut."""
    desk.run(works(), desk.card(*CARD[desk.client]))
    (handoff,) = (desk.root / "agents/backend/outbox").iterdir()
    if desk.client == "codex" or (shutil.which("bwrap") and shutil.which("socat")):
        assert git(desk.tree, "log", "--format=%s", "-1").strip() == "Begin"
        assert git(desk.tree, "status", "--porcelain").split() == ["??", "hello.txt"]
        assert "\ncommit:" not in handoff.read_text()
    else:
        assert f"commit: {git(desk.tree, 'rev-parse', 'HEAD').strip()}\n" in handoff.read_text()
        assert git(desk.tree, "show", "--format=", "--name-only", "HEAD").split() == ["hello.txt"]
    accepted(desk.sent()[0])


def test_the_projects_git_is_not_locked_while_a_command_runs_in_a_sandbox(desk: Desk) -> None:
    if desk.client == "claude":
        needs("bwrap", "socat")
    begun = desk.tree / "begun"

    def configured(_: object) -> bool:
        if begun.exists():
            git(desk.project, "config", "some.name", "value")
        return begun.exists()

    desk.run(
        in_turn(Shell("touch begun; sleep 300; echo slept")), desk.card(*CARD[desk.client]), stop=configured
    )
    assert not list((desk.project / ".git").rglob("*.lock"))
    assert git(desk.project, "status", "--porcelain") == ""


def test_a_client_with_a_sandbox_needs_no_list_of_commands(claude: Desk) -> None:
    needs("bwrap", "socat")
    ran = claude.run(in_turn(Shell("python3 -c 'print(6 * 7)'"), Say("STATUS: done")), claude.card())
    assert "42" in ran.served.asked[1].results[0]
    assert ran.result.denied == ()


def test_everything_else_in_the_mailbox_is_closed_to_it(desk: Desk) -> None:
    card = desk.card(*CARD[desk.client])
    desk.start()
    before = desk.files()
    closed = [
        "agents/tester/inbox/x.md", "agents/tester/outbox/x.md", "agents/backend-2/outbox/x.md",
        "agents/back/outbox/x.md", "agents/backend/waiting/x.md", "agents/backend/refused/x.md",
        "cards/backend.md", "hub.yaml", "leases/x.md", "archive/x.md", ".git/hooks/post-commit",
    ]  # fmt: skip
    for path in closed:
        (desk.root / path).parent.mkdir(parents=True, exist_ok=True)
    ran = desk.run(trespasses(*(str(desk.root / path) for path in closed)), card)
    assert desk.files() == before
    assert len(ran.served.asked) == 2 * len(closed) + 1
    assert ran.result.status == "blocked by its rights"
    if desk.client == "claude":
        assert f"Write {desk.root}/agents/tester/inbox/x.md" in ran.result.denied
        assert "Bash" in ran.result.denied


def test_it_reads_what_others_have(desk: Desk) -> None:
    card = desk.card(*CARD[desk.client])
    desk.start()
    (desk.root / "agents/tester/inbox/m-1.md").write_text("for the tester")
    ran = desk.run(in_turn(Shell(f"cat {desk.root}/agents/tester/inbox/m-1.md"), Say("STATUS: done")), card)
    assert "for the tester" in ran.served.asked[-1].results[0]


def test_a_program_it_runs_is_confined_too(desk: Desk) -> None:
    if desk.client == "claude":
        needs("bwrap", "socat")
    card = desk.card(*CARD[desk.client])
    desk.start()
    line = 'python3 -c \'import sys; open(sys.argv[1], "w").write("x"); print("written")\' {}'
    own, other = (desk.root / f"agents/{name}/outbox/x.md" for name in ("backend", "tester"))
    ran = desk.run(in_turn(Shell(line.format(other)), Shell(line.format(own)), Say("STATUS: done")), card)
    assert "Read-only file system" in ran.served.asked[1].results[0]
    assert not other.exists()
    assert own.exists()


def test_what_it_is_not_given_is_told(desk: Desk) -> None:
    """A shell that the card does not allow; a command that asks to be let out of the sandbox."""
    escape = {"cmd": "touch out", "sandbox_permissions": "require_escalated", "justification": "why not"}
    act = Shell("python3 -c 'print(1)'") if desk.client == "claude" else Tool("exec_command", dict(escape))
    lines = ("allowed_tools: [Read]", "disallowed_tools: [WebFetch]") if desk.client == "claude" else ()
    ran = desk.run(in_turn(act, Say("STATUS: blocked: I may not")), desk.card(*lines))
    expected = "Bash" if desk.client == "claude" else "a command outside of the sandbox"
    assert ran.result.denied == (expected,)
    assert ran.result.status == "blocked: I may not"
    assert not ran.result.is_error
    assert "WebFetch" not in ran.served.asked[0].tools


def test_a_question_is_asked_and_the_assignment_waits(desk: Desk) -> None:
    ran = desk.run(asks(), desk.card(*CARD[desk.client]))
    (answer,) = desk.sent()
    accepted(answer)
    assert desk.table.state_of(desk.assignment_id) == "input_required"
    assert ran.result.status == "waiting for an answer"


def test_a_session_is_resumed_and_each_run_has_its_own_cost(desk: Desk) -> None:
    card = desk.card(*CARD[desk.client])
    first = share(desk.run(in_turn(Shell("echo 1"), Say("STATUS: done")), card).result, Result())
    ran = desk.run(in_turn(Say("STATUS: waiting")), card, "Go on.", session=first.session, resume=True)
    second = share(ran.result, first)
    assert second.session == first.session
    assert ran.served.asked[0].prompt == "Go on."
    assert ran.served.asked[0].earlier > 2, "the model was shown what came before"
    assert (second.input_tokens, second.output_tokens) == (1000, 100)
    if desk.client == "claude":
        assert first.cost_usd is not None
        assert ran.result.cost_total_usd == pytest.approx(first.cost_usd * 3 / 2)
        assert second.cost_usd == pytest.approx(first.cost_usd / 2)


def test_a_session_that_is_not_there_is_an_error_that_says_so(desk: Desk) -> None:
    gone = "0b0e2c1e-46a8-4c5f-9a53-4a3dcb4cbb0c"
    ran = desk.run(in_turn(), desk.card(), "Go on.", session=gone, resume=True)
    assert ran.result.is_error
    assert gone in ran.result.error
    assert not ran.served.asked


@pytest.mark.parametrize("status", [401, 529])
def test_an_error_of_the_service_is_an_error_of_the_run(desk: Desk, status: int) -> None:
    ran = desk.run(in_turn(Fail(status)), desk.card())
    assert ran.result.is_error
    assert str(status) in ran.result.error
    assert ran.result.status == ""
    assert ran.result.session


def test_claude_ends_at_its_budget(claude: Desk) -> None:
    steps = [Shell(f"echo {n}") for n in range(20)]
    ran = claude.run(in_turn(*steps), claude.card(*CARD["claude"], "budget_usd: 0.01"))
    assert ran.result.over_budget
    assert ran.result.is_error
    assert len(ran.served.asked) < 10


def test_the_model_that_the_card_names_is_asked(desk: Desk) -> None:
    model = "claude-sonnet-4-5" if desk.client == "claude" else "gpt-5"
    ran = desk.run(in_turn(Say("STATUS: done")), desk.card(f"model: {model}"))
    assert ran.served.asked[0].model == model


def test_its_stop_signal_ends_it_and_what_it_has_started(desk: Desk) -> None:
    begun = desk.tree / "begun"
    script = in_turn(Shell("touch begun; sleep 300; echo slept"))
    ran = desk.run(script, desk.card(*CARD[desk.client]), stop=lambda _: begun.exists())
    assert ran.seconds < 10
    assert not [line for line in ran.left if "sleep" in line]
    assert ran.result.is_error
    assert ran.result.session
    if desk.client == "claude":
        assert ran.result.cost_total_usd, "a stopped run still says what it has cost"


@pytest.mark.parametrize("sign", [0, signal.SIGKILL])
def test_what_its_sandbox_leaves_when_it_is_ended_is_cleared_away(desk: Desk, sign: int) -> None:
    begun, folders = desk.tree / "begun", [desk.tree, *(desk.root / "agents/backend" / own for own in OWN)]
    script = in_turn(Shell("touch begun; sleep 300; echo slept"))
    desk.run(script, desk.card(*CARD[desk.client]), stop=lambda _: begun.exists(), sign=sign)
    clear_litter(PRESETS[desk.client], folders)
    assert sorted(path.name for path in desk.tree.iterdir()) == [".git", "README.md", "begun"]
    assert git(desk.tree, "status", "--porcelain").split() == ["??", "begun"]
    assert [path.name for folder in folders[1:] for path in folder.iterdir()] == [f"{desk.assignment_id}.md"]


def test_it_is_stopped_while_the_model_says_nothing(desk: Desk) -> None:
    ran = desk.run(in_turn(Hang()), desk.card(), stop=lambda served: bool(served.asked))
    assert ran.seconds < 10
    assert ran.result.is_error
    assert ran.result.status == ""


def test_a_prompt_of_any_length_arrives_whole(desk: Desk) -> None:
    text = f"Begin. {'a long text ' * 40_000}End."
    ran = desk.run(in_turn(Say("STATUS: done")), desk.card(), text)
    assert ran.served.asked[0].prompt == text


def test_the_hubs_secrets_do_not_reach_it(desk: Desk) -> None:
    ran = desk.run(in_turn(Shell("env | sort"), Say("STATUS: done")), desk.card(*CARD[desk.client]))
    seen = ran.served.asked[1].results[0]
    assert "HUB_AGENT=backend" in seen
    assert "HUB_PROMPT=" in seen
    assert not re.search(r"HUB_SECRET|hidden", seen)


def test_a_path_with_signs_that_rules_use_is_the_same_folder(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    needs("claude")
    desk = Desk(tmp_path / "a (b) [c] {d} *", "claude")
    card = desk.card("allowed_tools: [Read, Edit, Write, Bash]")
    desk.start()
    other = desk.root / "agents" / "tester" / "outbox" / "x.md"
    desk.run(trespasses(str(other)), card)
    assert not other.exists()
    desk.run(works(), card)
    accepted(desk.sent()[0])


def test_its_version_is_the_one_that_was_measured(desk: Desk) -> None:
    preset = PRESETS[desk.client]
    client = client_health(preset, {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(desk.base / "home")})
    assert client.path == str(BIN / desk.client)
    assert preset.measured in client.version
    assert not client.problem
