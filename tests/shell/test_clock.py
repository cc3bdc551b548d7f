"""Clocks that do not go back, and the spelling of instants and lengths of time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hubd.clock
from hubd.clock import Clock, FakeClock, SystemClock, boot_name
from hubd.core.time import (
    Now,
    format_duration,
    format_now,
    format_wall,
    parse_duration,
    parse_now,
    parse_wall,
)

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def test_the_system_clock_reads_what_the_machine_says() -> None:
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    now = clock.now()
    assert before <= now.wall <= datetime.now(UTC)
    assert re.fullmatch(r"[0-9a-f]{8}", now.boot)
    assert abs(now.mono - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5


def test_the_wall_stands_still_while_the_machines_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([NOON, NOON - timedelta(hours=1), NOON + timedelta(seconds=1)])

    class Set(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return next(readings)

    monkeypatch.setattr(hubd.clock, "datetime", Set)
    clock = SystemClock()
    first, second, third = clock.now(), clock.now(), clock.now()
    assert [first.wall, second.wall, third.wall] == [NOON, NOON, NOON + timedelta(seconds=1)]
    assert first.mono <= second.mono <= third.mono


def test_a_boot_has_a_name_where_the_kernel_gives_none(tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", boot_name(tmp_path / "missing"))
    odd = tmp_path / "boot_id"
    odd.write_text("not a boot id")
    assert re.fullmatch(r"[0-9a-f]{8}", boot_name(odd))
    odd.write_text("0A1B2C3D-1111-2222-3333-444455556666\n")
    assert boot_name(odd) == "0a1b2c3d"


def test_a_fake_clock_moves_only_when_it_is_told_to() -> None:
    clock = FakeClock(NOON)
    first = clock.now()
    assert clock.now() == first
    later = clock.advance(90)
    assert later.wall == NOON + timedelta(seconds=90)
    assert later.since(first.boot, first.mono) == 90
    back = clock.set_wall(NOON - timedelta(days=1))
    assert back.wall < first.wall
    assert back.mono == later.mono
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_lengths_of_time_are_not_compared_across_boots() -> None:
    clock = FakeClock(NOON)
    before = clock.now()
    after = clock.reboot(down=30)
    assert after.boot != before.boot
    assert after.wall == NOON + timedelta(seconds=30)
    assert after.since(before.boot, before.mono) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("90m", 5400),
        ("2h", 7200),
        ("3d", 259_200),
        ("1h30m", 5400),
        (" 1D2h3m4s ", 93_784),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "m", "1m1h", "1h1h", "-5m", "1.5h", "1 h", "1w", "٣m", "9999999999s", "1h30", "m5"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(min_value=0, max_value=10**9))
def test_a_written_duration_is_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21 12:00:00Z", NOON),
        ("2026-11-21T13:30:00+01:30", NOON),
        ("2026-11-21T11:00:00-01:00", NOON),
        ("2026-11-21T12:00:00.123456789Z", NOON + timedelta(microseconds=123_456)),
    ],
)
def test_a_wall_time_is_read(text: str, when: datetime) -> None:
    assert parse_wall(text) == when


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T12:00:00",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "soon",
        "2026-11-21T12:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "2026-11-21T12:00:61Z",
    ],
)
def test_what_is_no_wall_time_is_refused(text: str) -> None:
    assert parse_wall(text) is None


def test_a_wall_time_is_written_in_utc_and_cut_to_seconds() -> None:
    east = timezone(timedelta(hours=2))
    assert format_wall(datetime(2026, 11, 21, 14, 0, 0, 999_999, tzinfo=east)) == "2026-11-21T12:00:00Z"
    assert format_wall(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
    st.integers(min_value=0, max_value=10**12),
)
def test_an_instant_is_read_back_to_the_millisecond(wall: datetime, milli: int) -> None:
    now = Now(wall.replace(tzinfo=UTC), "0a1b2c3d", milli / 1000)
    text = format_now(now)
    read = parse_now(text)
    assert read is not None
    assert format_now(read) == text
    assert timedelta() <= now.wall - read.wall < timedelta(milliseconds=1)
    assert read.boot == now.boot
    assert abs(read.mono - now.mono) < 0.001


def test_a_now_trailer_looks_like_this() -> None:
    now = Now(NOON + timedelta(microseconds=123_999), "0a1b2c3d", 4711.25)
    assert format_now(now) == "2026-11-21T12:00:00.123Z boot=0a1b2c3d mono=4711.250"
    for odd in ("", "2026-11-21T12:00:00.123Z", "soon boot=0a1b2c3d mono=1.000", format_now(now) + " "):
        assert parse_now(odd) is None
