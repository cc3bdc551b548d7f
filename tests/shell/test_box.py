"""What a card may say of a container, and what a container then sees: nothing is started here."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from hubd.launch import sources
from hubd.launch.box import Box, container_name, inside, read_box, settings
from hubd.launch.mounting import COVERS, Ground, Mount, Unfit, mounts

HOME = "/home/ada"
BOX = PurePosixPath("/srv/box")
RUN = BOX / ".git/hub/runs/run-a"
SOCKET = PurePosixPath("/run/user/1000/podman/podman.sock")
GROUND = Ground(BOX, "ada", RUN, PurePosixPath("/srv/project"), SOCKET)


def read(**container: Any) -> Box:
    return read_box({"image": "debian:12", **container}, HOME)


def test_a_card_that_says_little_gets_little() -> None:
    box = read()
    assert (box.network, box.mounts, box.memory, box.user) == ("none", (), 0, "")
    made = settings(box, (), argv=("a", "b"), cwd="/x", env={"K": "v"}, user="1:1", labels={})
    host = made["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "none"
    assert 0 < host["PidsLimit"] < 10_000
    assert not {"Privileged", "CapAdd", "Devices", "PidMode", "IpcMode", "UsernsMode"} & set(host)
    assert (made["Entrypoint"], made["Cmd"], made["Env"]) == (["a"], ["b"], ["K=v"])


def test_a_card_may_say_all_of_it() -> None:
    box = read(
        mounts=["~/data:/data", "/opt/x:/opt/x:rw"], network="bridge", memory="2g", cpus="1.5", pids="50",
        user="node:1000", read_only="true", env={"PATH": "/bin"},
    )  # fmt: skip
    assert [mount.bind for mount in box.mounts] == ["/home/ada/data:/data:ro", "/opt/x:/opt/x:rw"]
    assert (box.memory, box.asked, box.cpus, box.pids, box.user) == (2 << 30, "2g", 1.5, 50, "node:1000")
    host = settings(box, (), argv=("a",), cwd="/x", env={}, user="", labels={})["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (2 << 30, 2 << 30, 1_500_000_000)
    assert host["ReadonlyRootfs"] is True


@pytest.mark.parametrize(
    "container",
    [
        {"image": ""},
        {"image": "-v"},
        {"image": "a b"},
        {"image": "../../containers/json"},
        {"image": "a\nb"},
        {"image": ["a"]},
        {"privileged": "true"},
        {"cap_add": "ALL"},
        {"network": "container:other"},
        {"network": "ns:/proc/1/ns/net"},
        {"network": "none\n"},
        {"memory": "1k"},
        {"memory": "-1"},
        {"memory": "2 g"},
        {"memory": "٢g"},
        {"memory": "9" * 13},
        {"cpus": "1e9"},
        {"cpus": "nan"},
        {"pids": "-1"},
        {"pids": "0"},
        {"user": "root; id"},
        {"user": "--help"},
        {"user": "0:0:0"},
        {"read_only": "yes"},
        {"env": ["A=b"]},
        {"env": {"A=B": "c"}},
        {"env": {"HUB_AGENT": "bob"}},
        {"env": {"A": "b\0"}},
        {"env": {"A": ["b"]}},
        {"mounts": {"a": "b"}},
        {"mounts": "/data"},
        {"mounts": ["/data"]},
        {"mounts": ["/a:/b:/c"]},
        {"mounts": ["/a:/b:rw,suid"]},
        {"mounts": ["/a:/b:rshared"]},
        {"mounts": ["/a:/b:ro:x"]},
        {"mounts": ["a:/b"]},
        {"mounts": ["volume:/b"]},
        {"mounts": ["/a:b"]},
        {"mounts": [":/b"]},
        {"mounts": ["/a:"]},
        {"mounts": ["/a/../etc:/b"]},
        {"mounts": ["/a:/b/../.."]},
        {"mounts": ["~bob/x:/b"]},
        {"mounts": ["~/../bob:/b"]},
        {"mounts": ["/a,readonly=false:/b"]},
        {"mounts": ["/a\n:/b"]},
        {"mounts": ["/a:/b"] * 51},
    ],
    ids=str,
)
def test_a_card_with_a_value_that_is_not_understood_is_refused_with_a_hint(container: dict[str, Any]) -> None:
    with pytest.raises(Unfit) as refused:
        read(**container)
    assert refused.value.what
    assert refused.value.hint
    assert "\n" not in refused.value.what + refused.value.hint


def test_a_word_that_is_nearly_right_is_pointed_at() -> None:
    with pytest.raises(Unfit) as refused:
        read(memroy="2g")
    assert refused.value.hint == "did you mean memory?"


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("/srv/box:/data", "lies in the mailbox"),
        ("/srv/box/agents/bob:/data", "lies in the mailbox"),
        ("/srv/box/.git:/data", "lies in the mailbox"),
        ("/srv:/data", "holds the mailbox"),
        ("/:/data", "holds the mailbox"),
        ("/srv/project/link:/data", "lies in the agent's directory"),
        ("/proc:/data", "/proc is not to be mounted"),
        ("/dev/sda:/data", "/dev/sda is not to be mounted"),
        ("/sys/fs/cgroup:/data", "is not to be mounted"),
        ("/run:/data", "leads to the engine's socket"),
        ("/run/user/1000/podman:/data", "leads to the engine's socket"),
        ("/run/user/1000/podman/podman.sock:/data", "leads to the engine's socket"),
        ("/opt:/", "/ is not to be mounted"),
        ("/opt:/proc/self", "/proc/self is not to be mounted"),
        ("/opt:/srv/box", "mounted into one another"),
        ("/opt:/srv/box/.git", "mounted into one another"),
        ("/opt:/srv/box/agents/ada/outbox", "mounted into one another"),
        ("/opt:/srv", "mounted into one another"),
        ("/opt:/srv/project/below", "mounted into one another"),
    ],
)
def test_no_mount_of_a_card_reaches_what_is_hidden_or_covers_what_is_the_runs(mount: str, words: str) -> None:
    with pytest.raises(Unfit) as refused:
        mounts(GROUND, read(mounts=[mount]).mounts)
    assert words in refused.value.what
    assert refused.value.hint


def test_two_mounts_of_a_card_do_not_lie_in_one_another() -> None:
    with pytest.raises(Unfit, match="/data/x and /data would be mounted into one another"):
        mounts(GROUND, read(mounts=["/opt/a:/data", "/opt/b:/data/x"]).mounts)


def test_outer_mounts_come_first_and_the_own_folders_alone_are_to_write() -> None:
    planned = mounts(GROUND, read(mounts=["/opt/a:/data", "/opt/b:/more:rw"]).mounts)
    for at, mount in enumerate(planned):
        assert not any(later.target in mount.target.parents for later in planned[at:])
    assert {str(mount.target) for mount in planned if mount.writable} == {
        "/more", "/srv/project", *(f"/srv/box/agents/ada/{name}" for name in ("inbox", "outbox", "drafts"))
    }  # fmt: skip
    hidden = {str(mount.target): mount.source for mount in planned if mount.source != mount.target}
    assert hidden["/srv/box/.git"] == RUN / COVERS[0]
    assert hidden["/srv/box/agents"] == RUN / COVERS[1]


@pytest.mark.parametrize(
    ("cwd", "words"),
    [
        ("/srv", "lies in /srv, where ada would write"),
        ("/", "lies in /, where ada would write"),
        ("/srv/box/.git", "is hidden from ada"),
        ("/srv/box/.git/hub/runs/run-b", "is hidden from ada"),
        ("/srv/box/agents", "is hidden from ada"),
        ("/srv/box/agents/bob/outbox", "is hidden from ada"),
        ("/run/user", "leads to the engine's socket"),
        ("/proc/1", "is not to be mounted"),
        ("/home/a:b", "cannot be mounted"),
        ("/home/a,b", "cannot be mounted"),
    ],
)
def test_a_directory_that_would_give_the_agent_more_than_its_own_is_refused(cwd: str, words: str) -> None:
    ground = Ground(BOX, "ada", RUN, PurePosixPath(cwd), GROUND.engine)
    with pytest.raises(Unfit) as refused:
        mounts(ground, ())
    assert words in refused.value.what


@pytest.mark.parametrize("cwd", [BOX, BOX / "agents/ada", BOX / "agents/ada/drafts", RUN])
def test_an_agent_without_a_project_works_in_the_mailbox_as_it_sees_it(cwd: PurePosixPath) -> None:
    at_home = mounts(Ground(BOX, "ada", RUN, cwd, GROUND.engine), ())
    assert set(at_home) == {mount for mount in mounts(GROUND, ()) if mount.target != GROUND.cwd}


@pytest.mark.parametrize(
    ("agent", "folder"),
    [("..", RUN), ("", RUN), ("a/b", RUN), ("ada", BOX / "cards"), ("ada", BOX / ".git/../x")],
)
def test_a_run_that_is_none_of_this_mailbox_has_no_mounts(agent: str, folder: PurePosixPath) -> None:
    with pytest.raises(Unfit, match="is no run of"):
        mounts(Ground(BOX, agent, folder, GROUND.cwd, GROUND.engine), ())


def test_what_speaks_of_the_machine_outside_stays_outside() -> None:
    env = {"PATH": "/usr/bin", "HOME": HOME, "XDG_DATA_HOME": "", "LD_PRELOAD": "", "LANG": "C", "KEY": "v"}
    assert inside(env, Box("i")) == {"LANG": "C", "KEY": "v"}
    said = Box("i", env={"PATH": "/bin", "KEY": "w"})
    assert inside(env, said) == {"LANG": "C", "KEY": "w", "PATH": "/bin"}


def test_a_name_is_one_run_of_one_hub() -> None:
    assert container_name("0123456789abcdef:run-a") == "hubd-0123456789abcdef-run-a"
    assert container_name("0123456789abcdef:a/../b") == "hubd-0123456789abcdef-a-..-b"


def test_a_source_is_a_folder_or_a_file_and_no_part_of_its_path_a_link(tmp_path: Path) -> None:
    (tmp_path / "real/below").mkdir(parents=True)
    (tmp_path / "real/file").touch()
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")

    def check(name: str, above: Path = Path("/")) -> None:
        path = PurePosixPath(tmp_path, name)
        sources.check([Mount(path, path, above=PurePosixPath(above))])

    check("real/below")
    check("real/file")
    for name, words in (
        ("link", f"link is a link.*where it leads: {tmp_path}/real"),
        ("link/below", f"{tmp_path}/link is a link"),
        ("fifo", "neither a folder nor a file"),
        ("none", "does not exist"),
        ("real/file/below", "cannot be reached"),
    ):
        with pytest.raises(Unfit) as refused:
            check(name)
        assert re.search(words, f"{refused.value.what} {refused.value.hint}")


def test_what_hides_is_empty_made_twice_without_harm_and_taken_away(tmp_path: Path) -> None:
    root, run = PurePosixPath(tmp_path), PurePosixPath(tmp_path, ".git/hub/runs/run-a")
    Path(run).mkdir(parents=True)
    ground = Ground(root, "ada", run, root, GROUND.engine)
    for _ in range(2):
        sources.cover(ground)
    files = [file for cover in COVERS for _, _, files in os.walk(run / cover) for file in files]
    assert not files
    assert Path(run, COVERS[0], "hub/runs/run-a").is_dir()
    assert Path(run, COVERS[1], "ada").is_dir()
    sources.uncover(ground)
    assert list(Path(run).iterdir()) == []
