"""What a card says of its container, checked, and the container as the engine's API has it.

Guarantee: `read_box` refuses whatever it does not understand, with what to write instead.
Rule 1: nothing is looked up here, neither on disk nor at the engine. Rule 2: what a container may do is in
`settings` alone, in one place that can be read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hubd.launch.mounting import Mount, Unfit, read_mounts

__all__ = ["Box", "container_name", "inside", "read_box", "settings"]

_KEYS = ("image", "mounts", "network", "memory", "cpus", "pids", "user", "read_only", "env")
_IMAGE = re.compile(r"(?!.*(\.\.|//))[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}\Z")
_NETWORK = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}\Z")
_MEMORY = re.compile(r"([0-9]{1,12})([bkmg]?)\Z")
_CPUS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?\Z")
_USER = re.compile(r"([a-z_][a-z0-9_-]{0,31}|[0-9]{1,9})(:([a-z_][a-z0-9_-]{0,31}|[0-9]{1,9}))?\Z")
_NAME = re.compile(r"(?!HUB_)[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_FLAG = re.compile(r"(true|false)\Z")
_UNIT = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LEAST_MEMORY = 8 << 20  # an engine needs as much to start anything
_PIDS = 1024

_OUTSIDE = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|TMPDIR|TMP|TEMP|HOSTNAME|MAIL|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY"
    r"|SSH_AUTH_SOCK|SSH_AGENT_PID|GPG_AGENT_INFO|DBUS_SESSION_BUS_ADDRESS|VIRTUAL_ENV|PYTHONPATH|PYTHONHOME"
    r"|NODE_PATH|(XDG|LD|DOCKER)_.*"
)
"""Variables that speak of the machine outside: true there, false in an image."""


@dataclass(frozen=True, slots=True)
class Box:
    """What a card's `container` says."""

    image: str
    mounts: tuple[Mount, ...] = ()
    network: str = "none"
    memory: int = 0
    """Bytes; 0: no limit."""
    asked: str = ""
    """The memory in the words of the card."""
    cpus: float = 0
    pids: int = _PIDS
    user: str = ""
    """Empty: whoever has the hub's rights on the files."""
    read_only: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """For the container alone; it may name PATH and HOME, which are not taken from outside."""


def read_box(container: Mapping[str, object], home: str) -> Box:
    """Check a card's `container`. `home` stands for `~` in front of a mount's source. Raises Unfit."""
    for key in container:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_KEYS)}"
            raise Unfit(f"container: {key[:100]!r} means nothing", hint)
    said = {key: _text(key, container.get(key, "")) for key in _KEYS if key not in ("mounts", "env")}
    if not said["image"]:
        raise Unfit("container: there is no image", "write `container: {image: NAME}`, one the engine has")
    return Box(
        image=_fit("image", said["image"], _IMAGE, "an image's name, as `podman images` shows it: debian:12"),
        mounts=tuple(read_mounts(container.get("mounts", ()), home)),
        network=_fit("network", said["network"] or "none", _NETWORK, "none, bridge, host or a network"),
        memory=_memory(said["memory"]),
        asked=said["memory"],
        cpus=float(_fit("cpus", said["cpus"] or "0", _CPUS, "a number of processors: 1.5")),
        pids=_pids(said["pids"]),
        user=said["user"] and _fit("user", said["user"], _USER, "a name or a number, and a group: 1000:1000"),
        read_only=_fit("read_only", said["read_only"] or "false", _FLAG, "true or false") == "true",
        env=_env(container.get("env", {})),
    )


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Unfit(f"container: {key} is not a single value", f"write `{key}: VALUE`")


def _fit(key: str, value: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(value):
        raise Unfit(f"container: {key} is {value[:100]!r}", f"write {what}")
    return value


def _memory(text: str) -> int:
    if not text:
        return 0
    found = _MEMORY.match(text.lower())
    size = int(found[1]) * _UNIT[found[2]] if found else 0
    if not _LEAST_MEMORY <= size < 1 << 50:
        raise Unfit(f"container: memory is {text[:100]!r}", "write 8m or more: 512m, 2g")
    return size


def _pids(text: str) -> int:
    if not text:
        return _PIDS
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    if count < 1:
        raise Unfit(f"container: pids is {text[:100]!r}", f"write how many processes there may be: {_PIDS}")
    return count


def _env(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise Unfit("container: env is no map", "write `env: {NAME: value}`")
    for name, text in value.items():
        if not _NAME.match(str(name)) or "\0" in _text("env", text):
            hint = "a name is letters, digits and _, and those that begin with HUB_ are the hub's"
            raise Unfit(f"container: env has {str(name)[:100]!r}", hint)
    return {str(name): _text("env", text) for name, text in value.items()}


def container_name(tag: str) -> str:
    """Return the name of a run's container: no two runs have the same, of whatever hubs they are."""
    return "hubd-" + re.sub(r"[^A-Za-z0-9_.-]", "-", tag)


def inside(env: Mapping[str, str], box: Box) -> dict[str, str]:
    """Return what of a run's environment goes into its container; what the card says for it wins."""
    return {name: text for name, text in env.items() if not _OUTSIDE.fullmatch(name)} | dict(box.env)


def settings(
    box: Box,
    mounted: tuple[Mount, ...],
    *,
    argv: tuple[str, ...],
    cwd: str,
    env: Mapping[str, str],
    user: str,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Return the container as the engine's API has it."""
    host: dict[str, Any] = {
        "Binds": [mount.bind for mount in mounted],
        "NetworkMode": box.network,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": box.pids,
        "ReadonlyRootfs": box.read_only,
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        # Without an init the agent is process 1, and the kernel drops each signal that it has not asked for.
        "Init": True,
    }
    if box.memory:
        # No swap besides: a limit that is reached after minutes of swapping helps nobody.
        host |= {"Memory": box.memory, "MemorySwap": box.memory}
    if box.cpus:
        host["NanoCpus"] = int(box.cpus * 1e9)
    if box.read_only:
        host["Tmpfs"] = {"/tmp": "rw,nosuid,nodev,mode=1777"}
    return {
        "Image": box.image,
        "Entrypoint": [argv[0]],
        "Cmd": list(argv[1:]),
        "Env": [f"{name}={text}" for name, text in env.items()],
        "Labels": dict(labels),
        "WorkingDir": cwd,
        "User": user,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": host,
    }
