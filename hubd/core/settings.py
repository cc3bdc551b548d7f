"""The settings of hub.yaml: their names, types, defaults and meaning, in one list.

Guarantee: a setting that is not in `SETTINGS` is refused with the nearest name; a value out of range is
refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hubd.core.document import Flaw, Value, dump_line
from hubd.core.effect import Refusal
from hubd.core.place import is_name
from hubd.core.time import parse_duration

_WORDS = 50
_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,6})?\Z")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of hub.yaml. `least` and `most` bound numbers; durations are in seconds."""

    name: str
    type: str  # int, number, duration, bool, names, words, name, path, choice; an empty default: may be empty
    default: str | tuple[str, ...]
    about: str
    least: float = 0
    most: float = 2**31
    choices: tuple[str, ...] = ()


_S = Setting
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        s.name: s
        for s in (
            _S("host", "name", "local", "The permanent name of this mailbox's host."),
            _S("operator", "name", "operator", "Who `operator` means, and who edits cards and settings."),
            _S("approvers", "names", ("operator",), "Who may approve rounds and cards; persons alone."),
            _S("approvals", "int", "1", "How many of them must approve a round.", 1, 20),
            _S("not_author", "bool", "false", "Nobody approves a round that they wrote themselves."),
            _S(
                "self_approval", "choice", "allow",
                "Whether a task that carries its plan is approved by its author, an approver.",
                choices=("allow", "refuse"),
            ),
            _S("auto_approve", "bool", "false", "The hub approves every round as soon as it is accepted."),
            _S(
                "auto_create_next_round", "bool", "false",
                "After changes_requested the hub plans the same goals again, with the reviewer's note.",
            ),
            _S("max_rounds", "int", "3", "Rounds a task may have.", 1, 1000),
            _S("max_assignments_per_round", "int", "6", "Assignments a round may have.", 1, 1000),
            _S("max_messages_per_task", "int", "40", "Messages that may name one task.", 1, 1_000_000),
            _S("max_simultaneous_assignments", "int", "4", "Assignments an agent may hold at once.", 1, 1000),
            _S("max_attempts", "int", "3", "Tries an assignment has before it fails.", 1, 1000),
            _S("max_recipients", "int", "50", "Copies one message may have.", 1, 10_000),
            _S("max_hop_count", "int", "8", "Messages in a row before a person must write.", 1, 1000),
            _S("lease_minutes", "int", "90", "The term of an assignment's lease.", 1, 100_000),
            _S("orchestrator", "name", "", "An agent that always runs: started first, stopped last."),
            _S("max_concurrency", "int", "5", "Runs that may go on at once, of all agents.", 1, 1000),
            _S("max_depth", "int", "3", "Runs that may lead to each other before a person must act.", 1, 100),
            _S("max_launches_per_hour", "int", "30", "Runs of one agent that may begin an hour.", 1, 100_000),
            _S("run_timeout", "duration", "30m", "The longest run, where a card names none.", 1, 30 * 86_400),
            _S("budget_usd_day", "number", "0", "What an agent's runs may cost in a day; 0 for no limit."),
            _S("max_failures", "int", "3", "Failed runs in a row after which an agent rests.", 1, 100),
            _S("backoff", "duration", "30s", "The wait after a failed run; it doubles with each.", 0, 86_400),
            _S("grace", "duration", "10s", "What a run has to stop in, before it is killed.", 0, 600),
            _S("linger", "duration", "20s", "How long a run may go on when its work is done.", 0, 86_400),
            _S("quiet_warn", "duration", "10m", "Silence after which a run is shown as stuck.", 1, 86_400),
            _S("output_mib", "int", "8", "MiB of output that are kept of one run.", 1, 10_000),
            _S("runs_days", "int", "14", "How many days the output of a run is kept.", 0, 100_000),
            _S("worktrees", "path", "", "Where worktrees lie; else the state folder of the hub's user."),
            _S("engine", "path", "", "The container engine's socket; else DOCKER_HOST, podman, docker."),
            _S("notify", "words", (), "A command that is run when something waits for a person."),
            _S("remind", "duration", "4h", "When it is run again for what waits; 0s: never.", 0, 30 * 86_400),
            _S("rate", "int", "600", "Proposals a minute that one agent may make.", 1, 10_000_000),
            _S("burst", "int", "1000", "Proposals at once that one agent may make.", 1, 10_000_000),
            _S("bulk", "int", "50", "Live documents changed at once before a person is asked.", 1, 1_000_000),
            _S("settle", "duration", "200ms", "How long a saved file must be quiet to be read.", 0, 60),
            _S("decision_delay", "duration", "3s", "How long an edited decision must be quiet.", 0, 3600),
            _S("archive_days", "int", "14", "How many days a finished document stays on disk.", 0, 100_000),
            _S("archive_files", "int", "2000", "How many finished documents stay on disk.", 0, 1_000_000),
        )
    }
)  # fmt: skip


IDENTITY = frozenset({"host", "operator", "approvers", "approvals", "not_author", "self_approval"})
"""Settings that say who decides, not how much may be done: the environment does not override them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. A name that hub.yaml does not give has its default."""

    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def _get(self, name: str) -> Value:
        return self.values.get(name, SETTINGS[name].default)

    def number(self, name: str) -> int:
        """Return a whole number."""
        return int(str(self._get(name)))

    def seconds(self, name: str) -> float:
        """Return a duration in seconds."""
        return _seconds(str(self._get(name))) or 0.0

    def amount(self, name: str) -> float:
        """Return a decimal number."""
        return float(str(self._get(name)))

    def flag(self, name: str) -> bool:
        return self._get(name) == "true"

    def word(self, name: str) -> str:
        return str(self._get(name))

    def names(self, name: str) -> tuple[str, ...]:
        value = self._get(name)
        if isinstance(value, str):
            return (value,) if value else ()
        return tuple(str(v) for v in value)


def _count(text: str, most: int = 12) -> int | None:
    """Return a whole number of at most `most` digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most else None


def _seconds(text: str) -> float | None:
    """Durations here may be in milliseconds too: they time a file system, not a person."""
    if text.endswith("ms"):
        milli = _count(text[:-2])
        return None if milli is None else milli / 1000
    return parse_duration(text)


def _wrong(setting: Setting, value: Value) -> str | None:
    """Return what the value should be, or None where it is right."""
    if setting.type == "names":
        names = value if isinstance(value, tuple) else (value,)
        ok = all(isinstance(n, str) and is_name(n) for n in names) and bool(names)
        return (
            None
            if ok and len(set(names)) == len(names)
            else "a list of names, each once, such as [anna, ben]"
        )
    if setting.type == "words":
        words = value if isinstance(value, tuple) else (value,)
        ok = len(words) <= _WORDS and all(isinstance(w, str) and len(w) <= 1000 for w in words)
        return None if ok and words[:1] != ("",) else "a list of words, such as [notify-send, hubd, '{line}']"
    if not isinstance(value, str):
        return "one value, not a list or a mapping"
    if setting.type == "int":
        count = _count(value)
        if count is not None and setting.least <= count <= setting.most:
            return None
        return f"a whole number from {setting.least:.0f} to {setting.most:.0f}"
    if setting.type == "number":
        amount = float(value) if _AMOUNT.match(value) else None
        fits = amount is not None and setting.least <= amount <= setting.most
        return None if fits else "a number such as 0.5"
    if setting.type == "duration":
        seconds = _seconds(value)
        if seconds is not None and setting.least <= seconds <= setting.most:
            return None
        return f"a duration from {setting.least:g}s to {setting.most:g}s, such as 200ms, 3s or 2m"
    if setting.type == "bool":
        return None if value in ("true", "false") else "true or false"
    if setting.type == "choice":
        return None if value in setting.choices else "one of " + ", ".join(setting.choices)
    if value == setting.default == "":
        return None
    if setting.type == "path":
        plain = value.startswith(("/", "~/")) and not any(c < " " for c in value) and len(value) <= 1000
        return None if plain else "a path that begins with / or ~/"
    return None if is_name(value) else "a name of a-z, 0-9 and -"


def _at(name: str, text: str) -> tuple[int, str]:
    """Return the number and the text of the line on which a setting stands."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(f"{name}:"):
            return number, line.strip()
    return 0, ""


def read_settings(values: Mapping[str, Value] | Flaw, text: str = "") -> Settings | Refusal:
    """Check the mapping that hub.yaml holds. `text` is the file, for its line numbers. Never raises."""
    if isinstance(values, Flaw):
        return Refusal(values.code, values.message, "", values.line, values.written, values.correct)
    for name, value in values.items():
        if name.startswith("x-"):
            continue
        setting, (line, written) = SETTINGS.get(name), _at(name, text)
        if setting is None:
            near = difflib.get_close_matches(name, SETTINGS, 1)
            said = f"hub.yaml has no setting `{name}`" + (f"; did you mean `{near[0]}`?" if near else "")
            correct = f"{near[0]}:{written.partition(':')[2]}" if near and written else ""
            return Refusal(
                "unknown-key", said, "the settings are: " + ", ".join(SETTINGS), line, written, correct
            )
        wrong = _wrong(setting, value)
        if wrong:
            default = dump_line(name, setting.default)
            return Refusal(
                "bad-value", f"`{name}` must be {wrong}", f"the default is `{default}`", line, written
            )
    return Settings(MappingProxyType(dict(values)))


def with_environment(settings: Settings, environment: Mapping[str, str]) -> Settings | Refusal:
    """Return the settings with `HUB_LEASE_MINUTES` and the like laid over them.

    Who approves, and who the operator is, cannot be overridden: that is the mailbox's own, and its history
    must be enough to tell whether a round was approved rightly.
    """
    over: dict[str, Value] = dict(settings.values)
    for name, setting in SETTINGS.items():
        text = environment.get(f"HUB_{name.upper()}")
        if text is None or name in IDENTITY:
            continue
        wrong = _wrong(setting, text)
        if wrong:
            said = f"the environment's HUB_{name.upper()} must be {wrong}"
            return Refusal("bad-value", said, "unset it, or correct it")
        over[name] = text
    return Settings(MappingProxyType(over))
