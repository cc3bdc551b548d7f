"""A real container engine for tests: podman with runc, and an image that holds busybox alone.

Guarantee: it uses no storage, configuration or socket of the machine's own engine; what ran in it is ended,
and then it itself, by its process id.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest

from hubd.launch.engine import Engine, EngineError
from hubd.launch.questions import Request

IMAGE = "localhost/hubd-test:latest"
PROGRAMS = ("podman", "runc", "conmon", "busybox")

CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
image_copy_tmp_dir = "{folder}/tmp"
[network]
network_config_dir = "{folder}/net"
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""
PATIENCE = 40.0


class Podman:
    """One engine, with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "engine.log"
        self._service: subprocess.Popen[bytes] | None = None
        self.engine = Engine(folder / "engine.sock")
        for name in ("tmp", "net", "state"):
            (folder / name).mkdir(parents=True)
        for name, text in (("containers.conf", CONFIGURATION), ("storage.conf", STORAGE)):
            (folder / name).write_text(text.format(folder=folder), encoding="utf-8")
        self._environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
        self._command = ("podman", "--tmpdir", str(folder / "state"))

    def fetch(self) -> None:
        """Make the image."""
        archive = self._folder / "image.tar"
        write_image(archive)
        done = subprocess.run(
            (*self._command, "import", "--quiet", str(archive), IMAGE), env=self._environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        with open(self._log, "ab") as log:
            self._service = subprocess.Popen(
                (*self._command, "system", "service", "--time", "0", f"unix://{self.engine.path}"),
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.engine.version()
                return
            except EngineError:
                assert self._service.poll() is None, self._log.read_text(errors="replace")
                assert time.monotonic() < deadline, self._log.read_text(errors="replace")
                time.sleep(0.02)

    def kill(self) -> None:
        """End the engine, but nothing that runs in it."""
        if self._service is not None:
            self._service.kill()
            self._service.wait(PATIENCE)

    def containers(self) -> list[str]:
        """Return the names of all there are, whosever they may be."""
        listed = self.engine.ask(Request("GET", "/containers/json?all=1", "list all")).read()
        return sorted(name.removeprefix("/") for each in listed for name in each["Names"])

    def close(self) -> None:
        with suppress(EngineError):
            for name in self.containers():
                self.engine.end(name)
        self.kill()


@contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    """Start one; skips the test, with a clear word, where that cannot be."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if missing:
        pytest.skip(f"no container engine to test with: {', '.join(missing)} not installed")
    if os.geteuid() != 0:
        pytest.skip("no container engine to test with: it is started as root")
    started = Podman(folder)
    started.fetch()
    try:
        started.start()
        yield started
    finally:
        started.close()


def is_static(program: bytes) -> bool:
    """Say whether a program needs no loader, which the image would not have."""
    table, size, count = struct.unpack_from("<Q", program, 32) + struct.unpack_from("<HH", program, 54)
    return all(struct.unpack_from("<I", program, table + at * size)[0] != 3 for at in range(count))


def write_image(archive: Path) -> None:
    """Write the root of a file system that holds busybox under all its names."""
    program = Path(shutil.which("busybox") or "").resolve()
    if not is_static(program.read_bytes()):
        pytest.skip("no container engine to test with: busybox is not the static one")
    names = subprocess.run((program, "--list"), capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(archive, "w") as tar:
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "root"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        tar.add(program, "bin/busybox")
        for name in set(names) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        users = b"root:x:0:0:root:/root:/bin/sh\n"
        passwd = tarfile.TarInfo("etc/passwd")
        passwd.size = len(users)
        tar.addfile(passwd, BytesIO(users))
