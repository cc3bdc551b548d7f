"""The watcher: on a scripted library, and on real folders with real inotify."""

from __future__ import annotations

import os
import queue
import resource
import select
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hubd.watch
from hubd.layout import Layout
from hubd.watch import Batch, Hints, Watch, watchfiles_backend

PATIENCE = 20.0


def until(condition: Callable[[], bool], watch: Watch) -> None:
    """Wait for something that the watching thread will do; a wake-up or a moment brings the next look."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"nothing came of it; fault: {watch.fault}"
        select.select([watch], [], [], 0.01)


def gather(watch: Watch, wanted: Callable[[Hints], bool]) -> Hints:
    """Take hints until all of them together are what is wanted."""
    paths: set[str] = set()
    everything = False

    def there() -> bool:
        nonlocal everything
        hints = watch.take()
        paths.update(hints.paths)
        everything = everything or hints.everything
        return wanted(Hints(frozenset(paths), everything))

    until(there, watch)
    return Hints(frozenset(paths), everything)


class Script:
    """Stands in for the library: gives out batches and raises errors when the test says so."""

    def __init__(self) -> None:
        self.batches: queue.Queue[Batch | BaseException] = queue.Queue()
        self.opened: list[list[str]] = []
        self.closed = 0
        self.steps: list[int] = []
        self.refusals: list[BaseException] = []

    def __call__(self, folders: list[str]) -> Script:
        self.opened.append(folders)
        if self.refusals:
            raise self.refusals.pop()
        return self

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: threading.Event | None
    ) -> Batch:
        assert stop_event is not None
        self.steps.append(step_ms)
        while not stop_event.is_set():
            try:
                batch = self.batches.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(batch, BaseException):
                raise batch
            return batch
        return "stop"

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setattr(hubd.watch, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(hubd.watch, "_LONGEST_PAUSE", 0.01)
    return Script()


@pytest.fixture
def scripted(script: Script, tmp_path: Path) -> Iterator[Watch]:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    quiet = [str(tmp_path / "one/NOW.md")]
    with Watch(
        lambda: [folder for folder in folders if folder.exists()], quiet=quiet, backend=script
    ) as watch:
        assert watch.wait_until_healthy(PATIENCE)
        gather(watch, lambda hints: hints.everything)
        yield watch


def test_a_start_says_look_at_everything_once(scripted: Watch, script: Script) -> None:
    assert scripted.healthy
    assert not scripted.take()
    assert len(script.opened) == 1


def test_a_change_wakes_once_and_tells_where(scripted: Watch, script: Script) -> None:
    script.batches.put({(1, "/m/a.md"), (3, "/m/a.md"), (2, "/m/b.md")})
    hints = gather(scripted, lambda hints: len(hints.paths) == 2)
    assert hints == Hints(frozenset({"/m/a.md", "/m/b.md"}), everything=False)
    assert select.select([scripted], [], [], 0)[0] == []
    assert not scripted.take()


def test_editors_own_files_and_the_hubs_own_page_wake_nobody(
    scripted: Watch, script: Script, tmp_path: Path
) -> None:
    script.batches.put(
        {(1, "/m/4913"), (1, "/m/.x.md.swp"), (2, str(tmp_path / "one/NOW.md")), (1, "/m/main.lock")}
    )
    script.batches.put({(1, "/m/a.md")})
    assert gather(scripted, bool).paths == {"/m/a.md"}


def test_a_flood_says_look_at_everything(scripted: Watch, script: Script) -> None:
    script.batches.put({(1, f"/m/{n}.md") for n in range(2000)})
    assert gather(scripted, bool).everything


def test_hints_that_nobody_takes_do_not_grow_for_ever(scripted: Watch, script: Script) -> None:
    for start in range(0, 12_000, 500):
        script.batches.put({(1, f"/m/{n}.md") for n in range(start, start + 500)})
    until(script.batches.empty, scripted)
    hints = gather(scripted, lambda hints: hints.everything)
    assert len(hints.paths) <= 10_000


class PanicException(BaseException):
    """What a library written in Rust raises when it has a bug: no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("error in underlying watcher"),
        OSError("inotify limit"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "odd"),
        PanicException("panic"),
    ],
)
def test_any_fault_is_told_and_watching_goes_on(
    scripted: Watch, script: Script, error: BaseException
) -> None:
    script.batches.put(error)
    assert gather(scripted, lambda hints: hints.everything and len(script.opened) == 2 and scripted.healthy)
    assert scripted.faults == 1
    assert type(error).__name__ in scripted.fault
    assert script.closed == 1
    script.batches.put({(1, "/m/a.md")})
    gather(scripted, lambda hints: "/m/a.md" in hints.paths)


def test_a_library_that_will_not_start_is_tried_again(script: Script, tmp_path: Path) -> None:
    script.refusals = [OSError("no space left on device (inotify watches)") for _ in range(3)]
    with Watch(lambda: [tmp_path], backend=script) as watch:
        assert watch.wait_until_healthy(PATIENCE)
        assert watch.faults == 3


def test_without_a_folder_there_is_nothing_to_be_healthy_about(script: Script, tmp_path: Path) -> None:
    with Watch(lambda: [tmp_path / "missing"], backend=script) as watch:
        until(lambda: watch.faults >= 2, watch)
        assert not watch.healthy
        (tmp_path / "missing").mkdir()
        assert watch.wait_until_healthy(PATIENCE)


def test_folders_that_come_and_go_make_the_list_anew(scripted: Watch, script: Script, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "two")
    script.batches.put("timeout")
    gather(scripted, lambda hints: hints.everything and len(script.opened) == 2)
    assert script.opened[1] == [str(tmp_path / "one")]
    (tmp_path / "two").mkdir()
    script.batches.put({(1, str(tmp_path / "two"))})
    gather(scripted, lambda hints: hints.everything and len(script.opened) == 3)
    assert scripted.faults == 0
    assert script.closed == 2


def test_it_is_quick_after_news_and_calm_after_a_while(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubd.watch, "_QUICK_FOR", 0.0)
    with Watch(lambda: [tmp_path], backend=script) as watch:
        assert watch.wait_until_healthy(PATIENCE)
        until(lambda: len(script.steps) == 1, watch)
        monkeypatch.setattr(hubd.watch, "_QUICK_FOR", 1000.0)
        script.batches.put({(1, "/m/a.md")})
        until(lambda: len(script.steps) == 2, watch)
    assert script.steps[:2] == [20, 1]


def test_the_callback_comes_with_the_first_hint_only(script: Script, tmp_path: Path) -> None:
    woken = threading.Semaphore(0)
    with Watch(lambda: [tmp_path], on_wake=woken.release, backend=script) as watch:
        assert woken.acquire(timeout=PATIENCE)
        watch.take()
        script.batches.put({(1, "/m/a.md")})
        assert woken.acquire(timeout=PATIENCE)
        script.batches.put({(1, "/m/b.md")})
        until(script.batches.empty, watch)
        until(lambda: len(script.steps) == 3, watch)
        assert not woken.acquire(blocking=False)


def test_stopping_ends_the_thread_and_can_be_repeated(script: Script, tmp_path: Path) -> None:
    watch = Watch(lambda: [tmp_path], backend=script)
    watch.stop()
    watch = Watch(lambda: [tmp_path], backend=script)
    watch.start()
    with pytest.raises(RuntimeError, match="once"):
        watch.start()
    watch.stop()
    watch.stop()
    assert not watch.healthy


# From here on: the real library on real folders.


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "mailbox"
    (root / ".git" / "hub").mkdir(parents=True)
    (root / ".git" / "refs" / "heads").mkdir(parents=True)
    (root / "hub.yaml").touch()
    layout = Layout(root)
    layout.folders(["ada", "ben"])
    return layout


@pytest.fixture
def watch(layout: Layout) -> Iterator[Watch]:
    with Watch(layout.watched) as watch:
        assert watch.wait_until_healthy(PATIENCE)
        gather(watch, lambda hints: hints.everything)
        yield watch


def sees(watch: Watch, path: Path) -> None:
    gather(watch, lambda hints: str(path) in hints.paths)


def is_not_missed(watch: Watch, path: Path) -> None:
    gather(watch, lambda hints: hints.everything or str(path) in hints.paths)


def test_every_way_to_save_a_document_is_seen(watch: Watch, layout: Layout) -> None:
    outbox = layout.outbox("ada")
    (outbox / "plain.md").write_text("x")
    sees(watch, outbox / "plain.md")
    (outbox / ".t.tmp").write_text("x")
    (outbox / ".t.tmp").rename(outbox / "renamed.md")
    sees(watch, outbox / "renamed.md")
    (outbox / "plain.md").write_text("y")
    sees(watch, outbox / "plain.md")
    os.link(outbox / "plain.md", outbox / "linked.md")
    sees(watch, outbox / "linked.md")
    (outbox / "plain.md").unlink()
    sees(watch, outbox / "plain.md")


def test_all_the_folders_of_people_are_seen(watch: Watch, layout: Layout) -> None:
    for path in (
        layout.settings,
        layout.cards / "ada.md",
        layout.inbox("ben") / "x.md",
        layout.waiting("ben") / "x.md",
        layout.git_dir / "refs/heads/main",
    ):
        path.write_text("x")
        sees(watch, path)


def test_what_nobody_acts_on_is_not_watched(watch: Watch, layout: Layout) -> None:
    for folder in (layout.drafts("ada"), layout.refused("ada"), layout.archive, layout.swap):
        (folder / "x.md").write_text("x")
    (layout.outbox("ada") / "last.md").write_text("x")
    hints = gather(watch, lambda hints: str(layout.outbox("ada") / "last.md") in hints.paths)
    assert hints.paths == {str(layout.outbox("ada") / "last.md")}
    assert not hints.everything


def test_a_new_agents_folders_are_watched(watch: Watch, layout: Layout) -> None:
    layout.folders(["new"])
    (layout.outbox("new") / "early.md").write_text("x")
    gather(watch, lambda hints: hints.everything)
    for n in range(50):
        (layout.outbox("new") / f"{n}.md").write_text("x")
        is_not_missed(watch, layout.outbox("new") / f"{n}.md")
    assert watch.faults == 0


def test_a_folder_that_is_removed_and_made_again_is_watched_again(watch: Watch, layout: Layout) -> None:
    shutil.rmtree(layout.outbox("ada"))
    gather(watch, lambda hints: hints.everything)
    layout.folders(["ada"])
    gather(watch, lambda hints: hints.everything)
    until(lambda: watch.healthy, watch)
    (layout.outbox("ada") / "x.md").write_text("x")
    is_not_missed(watch, layout.outbox("ada") / "x.md")


def test_a_mailbox_that_is_removed_and_made_again_is_watched_again(watch: Watch, layout: Layout) -> None:
    shutil.rmtree(layout.root)
    until(lambda: not watch.healthy and watch.faults > 0, watch)
    (layout.root / ".git").mkdir(parents=True)
    layout.folders(["ada"])
    until(lambda: watch.healthy, watch)
    gather(watch, lambda hints: hints.everything)
    (layout.outbox("ada") / "x.md").write_text("x")
    is_not_missed(watch, layout.outbox("ada") / "x.md")


def test_a_name_that_is_not_utf8_does_not_end_the_watch(watch: Watch, layout: Layout) -> None:
    (layout.outbox("ada") / os.fsdecode(b"caf\xe9.md")).write_text("x")
    gather(watch, lambda hints: hints.everything or bool(hints.paths))
    until(lambda: watch.healthy, watch)
    (layout.outbox("ada") / "x.md").write_text("x")
    is_not_missed(watch, layout.outbox("ada") / "x.md")


def test_a_link_to_a_tree_outside_is_not_walked_into(watch: Watch, layout: Layout, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "inbox").mkdir(parents=True)
    (layout.agents / "eve").symlink_to(tree)
    (layout.outbox("ada") / "sub").symlink_to(tree)
    sees(watch, layout.outbox("ada") / "sub")
    (tree / "inbox" / "x.md").write_text("x")
    (tree / "y.md").write_text("x")
    (layout.outbox("ada") / "last.md").write_text("x")
    hints = gather(watch, lambda hints: str(layout.outbox("ada") / "last.md") in hints.paths)
    assert not [path for path in hints.paths if "/eve/" in path or "/tree/" in path or "/sub/" in path]


def test_a_folder_that_vanishes_before_it_is_watched_is_no_end(layout: Layout) -> None:
    gone = [True]

    def folders() -> list[Path]:
        return [layout.root / "gone"] if gone and gone.pop() else layout.watched()

    with Watch(folders) as watch:
        assert watch.wait_until_healthy(PATIENCE)
        assert watch.faults == 1


def test_the_library_says_why_it_cannot_watch(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        watchfiles_backend([str(tmp_path / "missing")])


@pytest.mark.slow
def test_watching_an_idle_mailbox_costs_less_than_a_hundredth_of_a_core(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubd.watch, "_QUICK_FOR", 0.0)
    with Watch(layout.watched) as watch:
        assert watch.wait_until_healthy(PATIENCE)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        watch._stop.wait(5)
        after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent / took < 0.01
