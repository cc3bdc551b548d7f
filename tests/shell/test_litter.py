"""What a killed sandbox leaves is cleared away, and nothing that somebody wrote."""

from __future__ import annotations

from pathlib import Path

from hubd.launch.litter import clear_litter
from hubd.launch.presets import PLAIN, PRESETS


def test_empty_folders_and_shut_empty_files_go(tmp_path: Path) -> None:
    for name in PRESETS["codex"].litter:
        (tmp_path / name).mkdir()
    assert {path.name for path in clear_litter(PRESETS["codex"], [tmp_path])} == set(PRESETS["codex"].litter)
    (tmp_path / ".claude" / ".cc-writes").mkdir(parents=True)
    for name in (".bashrc", ".gitmodules", ".claude/settings.json", ".claude/hooks"):
        (tmp_path / name).touch(0o444)
    assert len(clear_litter(PRESETS["claude"], [tmp_path])) == 6
    assert not list(tmp_path.iterdir())


def test_what_somebody_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").touch()  # empty, and can be written
    (tmp_path / ".profile").write_text("export A=1\n")
    (tmp_path / ".profile").chmod(0o444)
    (tmp_path / ".zshrc").symlink_to(tmp_path / "nowhere")
    (tmp_path / "other").touch(0o444)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text("{}")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").touch()
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    before = sorted(tmp_path.rglob("*"))
    for preset in (*PRESETS.values(), PLAIN):
        assert clear_litter(preset, [tmp_path, tmp_path / "gone"]) == []
    assert sorted(tmp_path.rglob("*")) == before
