"""What VS Code and Obsidian are told when a mailbox is opened in them.

Guarantee: nothing that is there is overwritten; nothing of it is ever committed, because each of the two
folders tells git to ignore it, itself included. The hub looks into neither.
Rule: settings here keep an editor from changing what the person did not: lines the hub wrote, ends of lines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubd.connecting.files import Folder
from hubd.core.schema import settings_schema

__all__ = ["files", "offer"]

_SCHEMA = ".vscode/hub.schema.json"
_READ_ONLY = ("archive/**", "contract/**", "leases/**", "README.md", "NOW.md")


def files(operator: str) -> dict[str, bytes]:
    """Return the files, by path."""
    drafts = f"agents/{operator}/drafts"
    code = {
        "yaml.schemas": {f"./{_SCHEMA}": "hub.yaml"},
        "files.autoSave": "off",
        "files.eol": "\n",
        "files.trimTrailingWhitespace": False,
        "files.insertFinalNewline": False,
        "files.readonlyInclude": dict.fromkeys(_READ_ONLY, True),
        "files.watcherExclude": {"**/.git/**": True},
        "explorer.sortOrder": "modified",
        "[markdown]": {"editor.formatOnSave": False, "editor.wordWrap": "on"},
    }
    vault = {
        # Shown as text: the form that Obsidian offers writes the whole header anew.
        "propertiesInDocument": "source",
        "alwaysUpdateLinks": False,
        "useMarkdownLinks": True,
        "newFileLocation": "folder",
        "newFileFolderPath": drafts,
        "attachmentFolderPath": drafts,
        "userIgnoreFilters": ["contract/"],
    }
    return {
        ".vscode/.gitignore": b"*\n",
        ".vscode/settings.json": _json(code),
        ".vscode/extensions.json": _json({"recommendations": ["redhat.vscode-yaml"]}),
        _SCHEMA: _json(as_yaml(settings_schema())),
        ".obsidian/.gitignore": b"*\n",
        ".obsidian/app.json": _json(vault),
    }


def offer(root: Path, operator: str) -> list[str]:
    """Write what is not there yet, and return the paths. Raises Unfit where that cannot be."""
    folder, made = Folder(root), []
    for path, data in files(operator).items():
        real = folder.real(path)
        if folder.read(real) is None:
            folder.write(real, None, data)
            made.append(path)
    return made


def as_yaml(schema: Any) -> Any:
    """Return a schema of the contract for who reads plain YAML: there `3` is a number, and `true` a truth.

    The contract's own schemas describe headers as the hub reads them, where every scalar is text.
    """
    if isinstance(schema, list):
        return [as_yaml(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    told = {key: as_yaml(value) for key, value in schema.items()}
    if told.get("type") == "string" and "pattern" in told:
        told["type"] = ["string", "number"]
        if str(told.get("default", "")).isdigit():
            told["default"] = int(told["default"])
        for ours, theirs in (("x-least", "minimum"), ("x-most", "maximum")):
            if str(told.get(ours, "")).isdigit():
                told[theirs] = int(told[ours])
    if told.get("enum") == ["true", "false"]:
        told = {**{key: value for key, value in told.items() if key != "enum"}, "type": "boolean"}
        told["default"] = told.get("default") == "true"
    return told


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
