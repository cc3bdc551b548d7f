"""A new mailbox: what is in it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubd.founding import FoundingError, contract_files, found, renew_contract
from hubd.verify import verify


def test_a_new_mailbox_explains_itself_and_its_history_is_in_order(tmp_path: Path) -> None:
    with found(tmp_path / "m", ["ada:python,review", "ben"], operator="anna", host="office") as hub:
        assert sorted(hub.state.cards) == ["ada", "anna", "ben"]
        assert hub.state.is_person("anna")
        assert hub.state.with_capability("review") == ["ada"]
    root = tmp_path / "m"
    assert (root / "README.md").is_file()
    assert (root / "contract/SPEC.md").is_file()
    assert "approvers: [anna]" in (root / "hub.yaml").read_text()
    assert "host: office" in (root / "hub.yaml").read_text()
    assert sorted(p.name for p in (root / "agents/ben").iterdir()) == [
        "drafts", "inbox", "outbox", "refused", "waiting",
    ]  # fmt: skip
    assert verify(root).ok


@pytest.mark.parametrize("agents", [["Ada"], ["a/b"], ["../x"], [""], ["hub"], ["all"]])
def test_names_that_cannot_be_are_refused_before_anything_is_made(tmp_path: Path, agents: list[str]) -> None:
    with pytest.raises(FoundingError, match="cannot be a name"):
        found(tmp_path / "m", agents)
    assert not (tmp_path / "m").exists()


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    with pytest.raises(FoundingError, match="is not empty"):
        found(tmp_path / "full")
    with found(tmp_path / "m"):
        pass
    with pytest.raises(FoundingError, match="is a mailbox already"):
        found(tmp_path / "m")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["file"]


def test_an_older_copy_of_the_contract_is_renewed_in_a_commit_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "m"
    with found(root) as hub:
        assert not renew_contract(hub)
        page = root / "contract" / "SPEC.md"
        older = b"# An older contract\n"
        hub.state.fixed["contract/SPEC.md"] = older  # as if an older hubd had founded it
        page.write_bytes(older)
        before = hub.state.seq
        assert renew_contract(hub)
        assert hub.state.seq == before + 1
        assert page.read_bytes() == contract_files()["contract/SPEC.md"]
        assert hub.ledger.read("contract/SPEC.md") == page.read_bytes()
    result = verify(root)
    assert result.ok, result.first_bad
