"""Inside a run, hubctl acts as the agent that runs, and as nobody else: a guard against mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shell.commands import Box, make

RUN = {"HUB_AGENT": "backend", "HUB_RUN": "run-7f3k"}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "box")


@pytest.mark.parametrize(
    "words",
    ["inbox", "next", "approve", "ack --all", "send --to lead --subject Hello", "status", "agent list"],
)
def test_another_name_is_refused_inside_a_run(box: Box, words: str) -> None:
    done = box("--json", *words.split(), who="operator", **RUN)
    told = json.loads(done.stdout)
    assert (done.exit_code, told["code"]) == (1, "not-yours")
    assert told["message"] == "this is backend's run-7f3k, and hubctl acts as backend here, not as operator"
    assert "--as" in told["hint"]


def test_ones_own_name_is_allowed_inside_a_run(box: Box) -> None:
    assert json.loads(box("--json", "inbox", who="backend", **RUN).stdout)["agent"] == "backend"
    sent = json.loads(box("--json", "send", "--to", "lead", "--subject", "Hello", **RUN).stdout)
    assert box.json("show", sent["id"])["header"]["from"] == "backend"


def test_an_agent_that_no_run_started_may_still_name_another(box: Box) -> None:
    done = box("--json", "inbox", who="lead", HUB_AGENT="backend")
    assert json.loads(done.stdout)["agent"] == "lead"


@pytest.mark.parametrize(
    "words",
    ["down", "start tester", "stop --all", "stop tester", "attach tester --send x", "agent test tester"],
)
def test_what_is_for_people_is_refused_inside_a_run(box: Box, words: str) -> None:
    done = box("--json", *words.split(), **RUN)
    told = json.loads(done.stdout)
    assert (done.exit_code, told["code"]) == (1, "not-yours")
    assert "is for people" in told["message"]
    assert told["hint"]


def test_an_agent_inside_a_run_proposes_a_card_and_removes_none(box: Box) -> None:
    told = json.loads(box("--json", "agent", "add", "backend", "--force", "--description", "x", **RUN).stdout)
    assert told["state"] == "proposed"
    told = json.loads(box("--json", "agent", "remove", "tester", **RUN).stdout)
    assert told["code"] == "not-yours"
