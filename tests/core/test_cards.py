"""Cards and hub.yaml: people's ground; an agent proposes, an approver ticks."""

from __future__ import annotations

import pytest

from hubd.core import place
from hubd.core.effect import Proposal, Step
from tests.core.play import Table, accepted, changed, nothing, refused

CARD = "---\nkind: agent\ncapabilities: [rust]\n---\nBe careful.\n"


def test_a_saved_card_takes_effect() -> None:
    table = Table()
    accepted(table.card("fresh", "capabilities: [go]"))
    assert table.state.with_capability("go") == ["fresh"]
    accepted(table.card("fresh", "capabilities: [zig]"))
    assert (table.state.with_capability("go"), table.state.with_capability("zig")) == ([], ["fresh"])
    nothing(table.card("fresh", "capabilities: [zig]"))
    assert "rev:" not in table.tree["cards/fresh.md"].decode()


def test_a_removed_card_is_retired() -> None:
    table = Table()
    accepted(table.propose("operator", "cards", "cards/critic.md", None))
    assert table.state.card("critic") is None
    assert "cards/critic.md" not in table.tree
    assert refused(table.send("lead", "critic")) == "unknown-recipient"
    nothing(table.propose("operator", "cards", "cards/critic.md", None))
    accepted(table.card("critic"))


def test_a_card_with_live_documents_stays() -> None:
    table = Table()
    _, round_ = table.dispatched("backend: Fix it")
    accepted(table.send("lead", "backend"))
    assert refused(table.propose("operator", "cards", "cards/backend.md", None)) == "still-needed"
    accepted(table.request("lead", "cancel", f"{round_}.a1"))
    accepted(table.propose("operator", "cards", "cards/backend.md", None))


def test_who_approves_stays_a_person_and_stays() -> None:
    table = Table()
    for answer in (table.propose("operator", "cards", "cards/operator.md", None), table.card("operator")):
        assert refused(answer) == "still-needed"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("x", "kind: agent\n", "no-header"),
        ("x", "---\nkind: task\ntitle: X\n---\n", "unknown-kind"),
        ("x", "---\nlaunch: auto\n---\n", "unknown-kind"),
        ("x", "---\nkind: agent\nname: y\n---\n", "bad-value"),
        ("x", "---\nkind: agent\nlaunch: sometimes\n---\n", "bad-value"),
        ("x", "---\nkind: agent\nstate: active\n---\n", "hub-line"),
        ("x", "---\nkind: agent\n---\n<!-- hub -->\nx\n<!-- /hub -->\n", "hub-marker"),
        ("X", CARD, "bad-name"),
        ("hub", CARD, "bad-name"),
        ("all", CARD, "bad-name"),
        ("a.b", CARD, "bad-name"),
    ],
)
def test_a_card_that_is_none_is_refused(name: str, text: str, code: str) -> None:
    table = Table()
    answer = table.propose("operator", "cards", f"cards/{name}.md", text.encode())
    assert refused(answer) == code
    assert table.state.card(name) is None


def test_cards_and_settings_are_changed_by_persons_alone() -> None:
    table = Table()
    assert refused(table.card("fresh", actor="backend")) == "not-yours"
    assert refused(table.settings("max_rounds: 5", actor="backend")) == "not-yours"
    accepted(table.card("fresh", actor="anna"))


def test_an_agent_proposes_its_card_and_an_approver_ticks_it() -> None:
    table = Table()
    proposed = accepted(table.drop("backend", CARD))
    assert table.state.with_capability("rust") == []
    assert "capabilities: [python]" in table.read(proposed)
    accepted(table.approve(proposed))
    assert table.state.with_capability("rust") == ["backend"]
    assert table.tree["cards/backend.md"].decode() == CARD
    assert table.state_of(proposed) == "accepted"


def test_a_person_proposes_somebody_new() -> None:
    table = Table()
    proposed = accepted(table.drop("anna", CARD.replace("capabilities", "name: fresh\ncapabilities")))
    accepted(table.approve(proposed))
    assert table.state.with_capability("rust") == ["fresh"]


def test_a_proposed_card_is_rejected() -> None:
    table = Table()
    proposed = accepted(table.drop("backend", CARD))
    accepted(table.edit(proposed, ("- [ ] reject", "- [x] reject"), ("Note:", "Note: no")))
    assert (table.state_of(proposed), table.doc(proposed).text("note")) == ("rejected", "no")
    assert table.state.with_capability("rust") == []
    withdrawn = accepted(table.drop("backend", CARD))
    accepted(table.request("backend", "reject", withdrawn))
    assert refused(table.request("operator", "approve", withdrawn)) == "wrong-state"


def test_an_agent_does_not_approve_its_own_card() -> None:
    table = Table()
    proposed = accepted(table.drop("backend", CARD))
    for actor in ("backend", "lead", "anna"):
        assert refused(table.request(actor, "approve", proposed)) == "not-yours"


def test_an_agent_makes_itself_no_person_and_nobody_else_anything() -> None:
    table = Table()
    human = CARD.replace("kind: agent", "kind: agent\nhuman: true")
    assert refused(table.drop("backend", human)) == "not-yours"
    assert (
        refused(table.drop("backend", CARD.replace("kind: agent", "kind: agent\nname: tester")))
        == "not-yours"
    )
    proposed = accepted(table.drop("backend", CARD, "card.md"))
    assert refused(table.drop("backend", human, "card.md")) == "not-yours"
    accepted(table.approve(proposed))
    assert not table.state.is_person("backend")


def test_an_approver_ticks_what_they_read() -> None:
    table = Table()
    proposed = accepted(table.drop("backend", CARD, "card.md"))
    path, buffer, read = table.path(proposed), table.read(proposed), table.doc(proposed).text("plan")
    accepted(table.drop("backend", CARD.replace("rust", "root"), "card.md"))
    late = changed(buffer, ("- [ ] approve", "- [x] approve"))
    assert refused(table.save_at(path, late)) == "stale-buffer"
    assert refused(table.request("operator", "approve", proposed, f"plan: {read}")) == "plan-changed"
    accepted(table.approve(proposed))
    assert table.state.with_capability("root") == ["backend"]


def test_an_approver_amends_a_card_before_ticking_it() -> None:
    table = Table()
    proposed = accepted(table.drop("backend", CARD))
    accepted(table.edit(proposed, ("[rust]", "[rust, go]"), ("- [ ] approve", "- [x] approve")))
    assert table.state.with_capability("go") == ["backend"]
    other = accepted(table.drop("backend", CARD))
    accepted(table.edit(other, ("[rust]", "[c]")))
    accepted(table.approve(other))
    assert table.state.with_capability("c") == ["backend"]


def test_a_proposal_stays_about_whom_it_named() -> None:
    table = Table()
    named = CARD.replace("kind: agent", "kind: agent\nname: fresh")
    accepted(table.drop("anna", named, "card.md"))
    assert refused(table.drop("anna", named.replace("fresh", "stale"), "card.md")) == "not-amendable"


# hub.yaml


def test_settings_take_effect_when_saved() -> None:
    table = Table()
    accepted(table.settings("max_rounds: 5", "lease_minutes: 10"))
    assert (table.state.settings.number("max_rounds"), table.state.settings.number("lease_minutes")) == (
        5,
        10,
    )
    nothing(table.settings("max_rounds: 5", "lease_minutes: 10"))
    accepted(table.settings())
    assert table.state.settings.number("max_rounds") == 3


@pytest.mark.parametrize(
    ("line", "code", "correct"),
    [
        ("max_round: 5", "unknown-key", "max_rounds: 5"),
        ("frobnicate: 5", "unknown-key", ""),
        ("max_rounds: many", "bad-value", ""),
        ("max_rounds: 0", "bad-value", ""),
        (f"max_rounds: {'9' * 5000}", "bad-value", ""),
        (f"settle: {'9' * 5000}ms", "bad-value", ""),
        ("max_rounds: [1]", "bad-value", ""),
        ("settle: 3 hours", "bad-value", ""),
        ("auto_approve: maybe", "bad-value", ""),
        ("self_approval: sometimes", "bad-value", ""),
        ("approvers: []", "bad-value", ""),
        ("approvers: [anna, anna]", "bad-value", ""),
        ("approvers: [nobody]", "unknown-recipient", ""),
        ("operator: backend", "unknown-recipient", ""),
        ("host: elsewhere", "bad-value", ""),
        ("approvals: 2", "bad-value", ""),
        ("a: b: c", "unquoted-value", 'a: "b: c"'),
    ],
)
def test_settings_that_are_wrong_are_refused_with_their_line(line: str, code: str, correct: str) -> None:
    table = Table()
    answer = table.settings("# comment", "max_attempts: 3", line)
    assert refused(answer) == code
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert (answer.refusal.line, answer.refusal.correct) == (3, correct)
    assert table.state.settings.values == {}


def test_hub_yaml_cannot_be_removed() -> None:
    assert refused(Table().propose("operator", "settings", "hub.yaml", None)) == "deleted"


def test_the_hubs_own_files_are_put_back() -> None:
    table = Table()
    for path in ("README.md", "contract/SPEC.md", "leases/x.md", "archive/00/00/x/x.md"):
        assert refused(table.propose("operator", "fixed", path, b"mine")) == "hub-ground"


def test_nobody_acts_as_the_hub() -> None:
    table = Table()
    text = b"---\nkind: message\nto: lead\nsubject: X\n---\n"
    for area in ("outbox", "live", "cards", "settings", "fixed"):
        answer = table.put(Proposal("hub", area, "agents/hub/outbox/x.md", text))
        assert nothing(answer).put_back
    assert refused(table.request("backend", "expire", "x")) == "bad-value"


def test_a_folder_without_a_card_proposes_nothing() -> None:
    table = Table()
    assert refused(table.send("stranger", "lead")) == "unknown-agent"
    assert nothing(table.propose("Not A Name", "outbox", place.outbox("x", "y.md"), b"x")).put_back
