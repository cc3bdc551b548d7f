"""Cards by command: written, shown, replaced only when said so, retired; and who may do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hubd.core.document import Document, parse
from hubd.lease import HubLock
from tests.shell.answering import Answering, answering
from tests.shell.commands import Box, make


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "box")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def card(box: Box, name: str) -> Document:
    read = parse((box.root / "cards" / f"{name}.md").read_bytes())
    assert isinstance(read, Document)
    return read


ABOUT = ("--description", "Works on it")


# adding


def test_a_card_says_what_was_given_and_what_comes_next(box: Box, project: Path, tmp_path: Path) -> None:
    (tmp_path / "how.md").write_text("Mind the tests.\n\nBe brief.\n")
    told = box.json(
        "agent", "add", "api", "--preset", "claude", "--directory", str(project), *ABOUT,
        "--capability", "python", "--capability", "review", "--launch", "auto", "--shutdown", "empty",
        "--runtime", "pty", "--worktree", "main", "--model", "sonnet", "--budget", "1.50", "--timeout", "30m",
        "--instructions", str(tmp_path / "how.md"),
    )  # fmt: skip
    assert (told["id"], told["kind"], told["state"]) == ("card.api", "agent", "active")
    assert told["next"] == ["hubctl agent test api"]
    read = card(box, "api")
    assert read.header == {
        "kind": "agent", "description": "Works on it", "capabilities": ("python", "review"),
        "launch": "auto", "shutdown": "empty", "runtime": "pty", "command": "claude",
        "directory": str(project), "worktree": {"base": "main"}, "timeout": "30m", "model": "sonnet",
        "budget_usd": "1.5",
    }  # fmt: skip
    assert read.body == "Mind the tests.\n\nBe brief.\n"
    assert told["card"] == read.render().decode()
    (row,) = box.json("log", "-n", "1")["transitions"]
    assert (row["actor"], row["document"], row["to"], row["commit"]) == (
        "operator", "card.api", "active", told["commit"],
    )  # fmt: skip
    assert (box.root / "agents/api/inbox").is_dir()


def test_what_was_written_is_shown_with_the_next_step(box: Box, project: Path) -> None:
    said = box.ok("agent", "add", "api", "--preset", "codex", "--directory", str(project), *ABOUT)
    assert "card.api: active" in said
    assert "command: codex" in said
    assert said.endswith("try it:  hubctl agent test api\n")
    said = box.ok("agent", "add", "scribe", *ABOUT)
    assert "it has no command, so hubd does not start it" in said


@pytest.mark.parametrize(
    "words",
    [("--command", "./lint.sh '{prompt_file}' --all"), ("--", "./lint.sh", "{prompt_file}", "--all")],
)
def test_a_command_of_ones_own_is_a_list_of_words(box: Box, project: Path, words: tuple[str, ...]) -> None:
    box.ok("agent", "add", "lint", "--directory", str(project), *ABOUT, *words)
    assert card(box, "lint").get("command") == ("./lint.sh", "{prompt_file}", "--all")


def test_a_program_called_like_a_preset_stays_a_program(box: Box, project: Path) -> None:
    box.ok("agent", "add", "x", "--directory", str(project), *ABOUT, "--", "claude")
    assert card(box, "x").get("command") == ("claude",)


def test_what_nobody_has_said_is_drawn_from_the_project(box: Box, project: Path) -> None:
    (project / "README.md").write_text("# api\n\nServes the orders of a small shop.\n")
    (project / "pyproject.toml").write_text('[project]\nname = "api"\ndependencies = ["fastapi"]\n')
    told = box.json("agent", "add", "api", "--preset", "claude", "--directory", str(project))
    read = card(box, "api")
    assert "Serves the orders of a small shop" in read.text("description")
    assert "python" in read.header["capabilities"]
    assert told["drawn_from"]
    assert "drawn from: " in box.ok("agent", "add", "b", "--preset", "claude", "--directory", str(project))
    given = ("--description", "Mine", "--capability", "go")
    told = box.json("agent", "add", "c", "--preset", "claude", "--directory", str(project), *given)
    assert (card(box, "c").text("description"), told["drawn_from"]) == ("Mine", [])
    assert card(box, "c").get("capabilities") == ("go",)


def test_instructions_come_from_standard_input_too(box: Box) -> None:
    box.ok("agent", "add", "api", *ABOUT, "--instructions", "-", stdin="Be brief.\n")
    assert card(box, "api").body == "Be brief.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("api", "--preset", "nobody"), "nobody"),
        (("api", "--preset", "claude"), "--directory is missing"),
        (("api", "--preset", "claude", "--command", "x", "--directory", "."), "given twice"),
        (("api", "--command", "'", "--directory", "."), "cannot be split"),
        (("api", "--command", " ", "--directory", "."), "--command is empty"),
        (("api", "--preset", "claude", "--directory", "/no/such/folder"), "no folder /no/such/folder"),
        (("api", "--timeout", "soon"), "--timeout is a duration"),
        (("api", "--budget", "-1"), "budget"),
        (("Api",), "cannot be an agent's name"),
        (("all",), "cannot be an agent's name"),
    ],
)
def test_what_cannot_be_a_card_is_a_wrong_use(box: Box, words: tuple[str, ...], said: str) -> None:
    told = box.json("agent", "add", *words, code=2)
    assert told["code"] == "usage"
    assert said in told["message"]
    assert told["hint"]
    assert not (box.root / "cards/api.md").exists()


def test_a_card_that_is_there_is_replaced_only_when_said_so(box: Box, project: Path) -> None:
    before = card(box, "backend").render()
    told = box.json("agent", "add", "backend", *ABOUT, code=1)
    assert told["code"] == "exists"
    assert "--force" in told["hint"]
    assert card(box, "backend").render() == before
    words = ("agent", "add", "backend", "--force", "--preset", "claude", "--directory", str(project), *ABOUT)
    assert box.json(*words)["commit"]
    assert card(box, "backend").get("command") == "claude"
    again = box.json(*words)
    assert (again["ok"], again["commit"]) == (True, "")  # the same bytes are no step


def test_a_card_that_nobody_has_judged_yet_is_not_overwritten(box: Box) -> None:
    path = box.root / "cards/api.md"
    path.write_text("---\nkind: agent\n---\nBy hand.\n")
    assert box.json("agent", "add", "api", *ABOUT, code=1)["code"] == "exists"
    assert path.read_text().endswith("By hand.\n")


def test_a_person_is_not_made_an_agent(box: Box) -> None:
    told = box.json("agent", "add", "operator", "--force", *ABOUT, code=1)
    assert (told["code"], told["message"]) == ("exists", "operator is a person")


def test_a_card_that_the_hub_refuses_is_told_with_its_code_and_hint(box: Box) -> None:
    told = box.json("agent", "add", "api", "--capability", "Not A Word", *ABOUT, code=1)
    assert told["code"] == "bad-value"
    assert "capabilities" in told["message"]
    assert told["hint"]
    assert box.json("show", told["bounce"])["kind"] == "bounce"
    assert not (box.root / "cards/api.md").exists()
    assert "api" not in {a["name"] for a in box.json("agent", "list")["agents"]}


def test_an_agent_proposes_its_card_and_an_approver_puts_it_in_place(box: Box) -> None:
    told = box.json("agent", "add", "backend", "--force", *ABOUT, who="backend")
    assert (told["kind"], told["state"]) == ("agent", "proposed")
    assert card(box, "backend").get("description") is None
    assert box.json("agent", "add", "other", *ABOUT, who="backend", code=1)["code"] == "not-yours"
    box.ok("approve", told["id"])
    assert card(box, "backend").get("description") == "Works on it"


# removing


def test_an_agent_that_has_nothing_to_do_is_retired(box: Box) -> None:
    told = box.json("agent", "remove", "tester")
    assert (told["id"], told["state"]) == ("card.tester", "retired")
    assert not (box.root / "cards/tester.md").exists()
    assert (box.root / "agents/tester/inbox").is_dir()
    assert box.json("agent", "show", "tester", code=1)["code"] == "unknown-agent"
    assert box.json("log", "-n", "1")["transitions"][0]["actor"] == "operator"


def test_an_agent_with_live_documents_stays_and_they_are_listed(box: Box) -> None:
    task = box.task("backend: Fix it")
    box.ok("approve")
    told = box.json("agent", "remove", "backend", code=1)
    assert told["code"] == "still-needed"
    assert [c["id"] for c in told["candidates"]] == [f"{task}.r1.a1"]
    assert (box.root / "cards/backend.md").exists()
    listed = box("agent", "remove", "backend").stderr
    assert f"{task}.r1.a1" in listed


def test_the_hub_has_the_last_word_about_who_may_go(box: Box) -> None:
    told = box.json("agent", "remove", "operator", code=1)
    assert told["code"] == "still-needed"
    assert "names operator" in told["message"]
    assert (box.root / "cards/operator.md").exists()


def test_an_agent_removes_nobody(box: Box) -> None:
    assert box.json("agent", "remove", "tester", who="backend", code=1)["code"] == "not-yours"
    assert box.json("agent", "remove", "nobody", code=1)["code"] == "unknown-agent"


# looking


def test_agents_are_listed_by_what_they_can_do(box: Box) -> None:
    told = box.json("agent", "list", "--capability", "review")
    assert [a["name"] for a in told["agents"]] == ["tester"]
    assert box.ok("agent", "list", "--capability", "go") == "nobody can go\n"


def test_an_agent_is_shown_with_its_state(box: Box, project: Path) -> None:
    box.ok("agent", "add", "api", *ABOUT)
    told = box.json("agent", "show", "api")
    assert (told["state"], told["launch"], told["runs"], told["cost_today"]) == ("inactive", "", [], None)
    assert told["health"] == []  # hubd starts nobody here
    said = box.ok("agent", "show", "api")
    assert "an agent, inactive" in said
    assert "Works on it" in said
    assert "a person" in box.ok("agent", "show", "operator")


# beside a hub that runs, and beside one that does not answer


def test_a_card_that_nobody_judges_stays_where_it_is(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubd.client.reach.WAIT", 0.2)
    lock = HubLock(box.root / ".git" / "hub" / "lock")
    lock.acquire("step", datetime.now(UTC))
    try:
        told = box.json("agent", "add", "api", *ABOUT, code=3)
        assert (told["code"], told["hint"]) == (
            "unreachable", "it stays as it is and is judged when hubd runs (`hubctl up`)",
        )  # fmt: skip
        assert (box.root / "cards/api.md").exists()
    finally:
        lock.release()
    assert box.json("agent", "show", "api")["description"] == "Works on it"


def test_where_nobody_may_write_cards_that_is_told(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def barred(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.rename", barred)
    told = box.json("agent", "add", "api", *ABOUT, code=3)
    assert told["message"] == "cannot save into cards/: Permission denied"
    assert [p.name for p in (box.root / "cards").iterdir() if "api" in p.name] == []


@pytest.fixture
def hub(box: Box) -> Iterator[Answering]:
    with answering(box.root) as hub:
        yield hub


def test_beside_a_running_hub_a_card_is_judged_by_it(box: Box, hub: Answering, project: Path) -> None:
    words = ("agent", "add", "api", "--preset", "claude", "--directory", str(project), *ABOUT)
    done = box.process("--json", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["path"]) == ("active", "cards/api.md")
    assert hub.do(lambda h: h.state.card("api")) is not None
    refused = json.loads(box.process("--json", "agent", "add", "b", "--capability", "A B", *ABOUT).stdout)
    assert refused["code"] == "bad-value"
    gone = json.loads(box.process("--json", "agent", "remove", "api").stdout)
    assert (gone["id"], gone["state"]) == ("card.api", "retired")
    assert hub.do(lambda h: h.state.card("api")) is None
