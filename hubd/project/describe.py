"""Describe a project in one line, from its own files alone: for a card that nobody has described.

Guarantee: the description is one line of at most 300 visible characters, without control or direction marks,
markup, or what looks like a secret; whatever the files hold. Reading is bounded: a few known names at the
top, plain files only, never through a link, so many bytes of each.
Rule: nothing is run and nothing is followed. What cannot be read or understood is as if it were not there.

Not promised: that the words are true. They are the project's own, or those of whoever wrote into it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubd.core.secret import has_secret
from hubd.project.prose import first_paragraph, line
from hubd.project.stack import DEPENDENCIES, FILES, IMAGES, SUFFIXES

__all__ = ["Described", "describe"]

MOST = 300
_BYTES = 128 << 10
_ENTRIES = 2000
_DOTS = 200
_CAPABILITIES = 16
_NAMES = 8  # servers, services that are listed
_PROSE = ("CLAUDE.md", "AGENTS.md", "README.md", "README.rst", "README.txt", "README")
_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9@][A-Za-z0-9._/@-]{0,99})")
_IMAGE = re.compile(r"^[ \t]+image:[ \t]*[\"']?([A-Za-z0-9._/-]{1,200})", re.MULTILINE)
_GO_MODULE = re.compile(r"^[ \t]*(?:require[ \t]+)?([a-z0-9.-]{1,100}/[^\s]{1,200})[ \t]+v", re.MULTILINE)
_GEM = re.compile(r"^[ \t]*gem[ \t]+[\"']([A-Za-z0-9_-]{1,100})", re.MULTILINE)
_PRISMA = re.compile(r"provider\s*=\s*\"(postgresql|mysql|sqlite|mongodb|sqlserver|cockroachdb)\"")


@dataclass(frozen=True, slots=True)
class Described:
    """A project, in words for a card."""

    description: str
    capabilities: list[str]
    found: list[str]
    """What it was drawn from, one line each, for a person who asks why."""


def describe(directory: Path) -> Described:
    """Describe the project at a folder. Never raises: an unreadable one is described by its name."""
    project = _Project(directory)
    prose = _first(_from_prose(project), _from_packages(project))
    known = (*_files(project), *_dependencies(project), *_services(project))
    words = list(dict.fromkeys(known))[:_CAPABILITIES]
    servers = _servers(project)
    stack = ", ".join(words[:6])
    tail = "; ".join(part for part in (stack, f"MCP: {', '.join(servers)}" if servers else "") if part)
    if not prose:
        prose = f"The project {line(directory.name, 60)}" if line(directory.name, 60) else "A project"
    return Described(_joined(prose, tail), words, project.found)


def _joined(prose: str, tail: str) -> str:
    """Put both on one line; the prose gives way first, but never all of it."""
    if not tail:
        return line(prose, MOST)
    tail = line(tail, MOST // 2)
    return f"{line(prose, MOST - len(tail) - 3)} ({tail})"


def _first(*found: str) -> str:
    return next((text for text in found if text), "")


class _Project:
    """The files of one folder, read once and with care."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.found: list[str] = []
        self._texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        """Return a file's first bytes as text; empty where there is no such plain file."""
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> str:
        try:
            folder = os.open(self.directory, _FOLDER)
        except (OSError, ValueError):
            return ""
        try:
            *folders, last = name.split("/")
            for part in folders:
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            with os.fdopen(os.open(last, _OPEN, dir_fd=folder), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return ""
                return file.read(_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
        except OSError:
            return ""
        finally:
            os.close(folder)

    def names(self) -> list[str]:
        """Return the names at the top, at most so many."""
        try:
            with os.scandir(self.directory) as entries:
                return sorted(entry.name for entry, _ in zip(entries, range(_ENTRIES), strict=False))
        except OSError:
            return []

    def json(self, name: str) -> Mapping[str, object]:
        try:
            return _mapping(json.loads(self.text(name) or "null"))
        except (ValueError, RecursionError):
            return {}

    def toml(self, name: str) -> Mapping[str, object]:
        text = self.text(name).replace("\r\n", "\n")
        if any(row.count(".") > _DOTS for row in text.split("\n")):
            return {}  # a key of so many parts costs tomllib the square of it, and more
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError):
            return {}

    def saw(self, name: str, what: Iterable[str] = ()) -> None:
        said = ", ".join(line(word, 60) for word in what)
        self.found.append(line(f"{name}: {said}" if said else name, MOST))


def _secret(text: str) -> bool:
    return has_secret(text.encode("utf-8", "replace"))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else {}


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = _mapping(value).get(key)
    return value


def _from_prose(project: _Project) -> str:
    for name in _PROSE:
        text = project.text(name)
        paragraph = line(first_paragraph(text), MOST)
        if paragraph and not _secret(first_paragraph(text)):
            project.saw(name)
            return paragraph
    return ""


def _from_packages(project: _Project) -> str:
    pyproject, package = project.toml("pyproject.toml"), project.json("package.json")
    cargo = project.toml("Cargo.toml")
    places = (
        ("pyproject.toml", _at(pyproject, "project")),
        ("pyproject.toml", _at(pyproject, "tool", "poetry")),
        ("package.json", package),
        ("Cargo.toml", _at(cargo, "package")),
    )
    for name, part in places:
        title, about = _at(part, "name"), _at(part, "description")
        texts = [word for word in (title, about) if isinstance(word, str) and not _secret(word)]
        words = [line(word, MOST) for word in texts if line(word, MOST)]
        if words:
            project.saw(name, words[:1])
            return ": ".join(words)
    return ""


def _files(project: _Project) -> Iterator[str]:
    names = set(project.names())
    for name, words in FILES.items():
        if name in names or ("/" in name and name.split("/")[0] in names and project.text(name)):
            if name not in ("pyproject.toml", "package.json"):
                project.saw(name)
            yield from words
    for suffix, word in SUFFIXES.items():
        if any(name.endswith(suffix) for name in names):
            project.saw(f"*{suffix}")
            yield word
    for name in ("schema.prisma", "prisma/schema.prisma"):
        for provider in dict.fromkeys(_PRISMA.findall(project.text(name))):
            yield {"postgresql": "postgres"}.get(provider, provider)


def _dependencies(project: _Project) -> Iterator[str]:
    for name, needed in (
        ("pyproject.toml", _python(project.toml("pyproject.toml"))),
        ("requirements.txt", _requirements(project.text("requirements.txt").splitlines())),
        ("package.json", _node(project.json("package.json"))),
        ("go.mod", (match.removesuffix("/") for match in _GO_MODULE.findall(project.text("go.mod")))),
        ("Cargo.toml", _mapping(_at(project.toml("Cargo.toml"), "dependencies"))),
        ("Gemfile", _GEM.findall(project.text("Gemfile"))),
        ("composer.json", _mapping(_at(project.json("composer.json"), "require"))),
    ):
        known = []
        for package in needed:
            bare = re.sub(r"/v\d+$", "", package.lower())
            word = DEPENDENCIES.get(bare)
            if word and word not in known:
                known.append(word)
        if known:
            project.saw(name, known)
        yield from known


def _python(pyproject: Mapping[str, object]) -> Iterator[str]:
    listed = _at(pyproject, "project", "dependencies")
    yield from _requirements(listed if isinstance(listed, list) else [])
    extras = _mapping(_at(pyproject, "project", "optional-dependencies"))
    for extra in list(extras.values())[:20]:
        yield from _requirements(extra if isinstance(extra, list) else [])
    yield from _mapping(_at(pyproject, "tool", "poetry", "dependencies"))


def _requirements(lines: Iterable[object]) -> Iterator[str]:
    for requirement in lines:
        match = _REQUIREMENT.match(requirement) if isinstance(requirement, str) else None
        if match:
            yield match.group(1).lower().replace("_", "-")


def _node(package: Mapping[str, object]) -> Iterator[str]:
    for key in ("dependencies", "devDependencies"):
        yield from _mapping(_at(package, key))


def _services(project: _Project) -> Iterator[str]:
    for name in _COMPOSE:
        images = (image.rsplit("/", 1)[-1].split(":")[0] for image in _IMAGE.findall(project.text(name)))
        known = [word for word in dict.fromkeys(IMAGES.get(image, "") for image in images) if word]
        if project.text(name):
            project.saw(name, known[:_NAMES])
            yield "docker"
            yield from known


def _servers(project: _Project) -> list[str]:
    given = _mapping(_at(project.json(".mcp.json"), "mcpServers"))
    named = [line(name, 40) for name in given if not _secret(name)]
    servers = [name for name in named if name][:_NAMES]
    if servers:
        project.saw(".mcp.json", servers)
    return servers
