"""`python -m hubd.launch.wrapper [NAME]`: runs one agent as its standard input says, to the end.

NAME is only for people who look at the list of processes. See `spec` for the first line of standard input,
and below for the rest; every line is one JSON object.

    orders, standard input                  events, standard output
    {"do": "stop", "why": "…"}              {"event": "started", "pid": 1}
    {"do": "type", "text": "…"}             {"event": "output", "bytes": 1}, at most one a second
    end of the file: the hub is gone        {"event": "dropped", "bytes": 1}: typed text that nobody takes
                                            {"event": "ended", "reason", "exit", "signal", "seconds", "swept",
                                             "bytes", "error"}, and nothing after it

Rule: it inherits nothing that it would pass on. What it was given beyond its three channels (a lock that
shows that it lives) it keeps open for as long as it runs, and its agent does not have it.
"""

from __future__ import annotations

import os
from dataclasses import replace

from hubd.launch.spec import TAG, Spec
from hubd.launch.wrapper.process import Process
from hubd.launch.wrapper.running import Run
from hubd.launch.wrapper.runtime import Maker, Room, Runtime
from hubd.launch.wrapper.speaking import Hub
from hubd.launch.wrapper.terminal import Terminal


def main() -> None:
    """Run one agent."""
    _keep_to_ourselves()
    hub = Hub()
    line = hub.spec()
    if not line:
        return
    try:
        spec = Spec.from_json(line)
        spec = replace(spec, env={**spec.env, TAG: spec.tag})
        run = Run(spec, hub, _maker(spec))
    except (ValueError, OSError) as error:
        hub.say(event="ended", reason="error", exit=None, signal=None, seconds=0.0, swept=0, bytes=0,
                error=f"the run could not be prepared: {error}")  # fmt: skip
    else:
        run.go()
    finally:
        hub.close()


def _maker(spec: Spec) -> Maker:
    if spec.runtime == "pty":
        return Terminal
    if spec.runtime == "container":
        return _container
    return Process


def _container(room: Room) -> Runtime:
    # Only where it is needed: it brings an HTTP client with it.
    from hubd.launch.wrapper.container import Container

    return Container(room)


def _keep_to_ourselves() -> None:
    """Close nothing that we were given, and pass nothing on."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2:
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the one that read this folder
                continue


if __name__ == "__main__":
    main()
