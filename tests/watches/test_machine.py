"""Disk, write-ahead log, backup."""

from __future__ import annotations

from dataclasses import replace

from bcbridge.runtime.watchman import Watch
from bcbridge.store import meta
from bcbridge.store.backup import BACKUP_AT
from bcbridge.store.stamps import stamp
from bcbridge.watches.machine import MB, DiskSpace
from tests.watches.rounds import ERP, Rounds

GB = 1024 * MB


class Disk:
    """What is free on it, set by hand."""

    def __init__(self, rounds: Rounds) -> None:
        self.free = 100 * GB
        watch = DiskSpace(rounds.house, lambda: self.free)
        rounds.watches = [Watch("disk space", frozenset({"disk_space"}), watch.look)]


async def test_little_left_on_the_disk_is_told_until_there_is_room_again(rounds: Rounds) -> None:
    disk = Disk(rounds)
    assert await rounds.go("disk_space") == {}
    disk.free = 1023 * MB
    assert await rounds.texts("disk_space") == ["1,023 MB are left on the disk of bcbridge.db"]
    disk.free = 2 * GB
    assert await rounds.go("disk_space") == {}


async def test_a_disk_that_will_be_full_before_the_morning_is_told_while_there_is_room(rounds: Rounds) -> None:
    disk = Disk(rounds)
    disk.free = 15 * GB
    for _ in range(12):
        assert await rounds.go("disk_space") == {}
        rounds.later(minutes=5)
        disk.free -= 128 * MB
    (text,) = await rounds.texts("disk_space")
    assert text == "13,824 MB are left on the disk of bcbridge.db, gone in 9 h 00 m at the pace of now"
    for _ in range(37):
        rounds.later(minutes=5)
        standing = await rounds.go("disk_space")
    assert standing == {}


async def test_a_large_file_on_a_roomy_disk_wakes_nobody(rounds: Rounds) -> None:
    disk = Disk(rounds)
    for _ in range(13):
        assert await rounds.go("disk_space") == {}
        rounds.later(minutes=5)
        disk.free -= 4 * GB


async def test_one_large_file_is_no_trend(rounds: Rounds) -> None:
    """As a backup of ours on the same disk."""
    disk = Disk(rounds)
    disk.free = 10 * GB
    for minute in range(0, 300, 5):
        if minute == 100:
            disk.free -= 4 * GB
        assert await rounds.go("disk_space") == {}
        rounds.later(minutes=5)


async def test_the_real_disk_can_be_asked(rounds: Rounds) -> None:
    assert await rounds.go("watch_failed") == {}


async def test_a_large_log_is_told_until_it_is_small(rounds: Rounds) -> None:
    settings = rounds.house.settings
    assert await rounds.go("wal_grows") == {}
    other = settings.store.path.with_name("other.db")
    rounds.house.settings = replace(settings, store=settings.store.model_copy(update={"path": other}))
    rounds.limits(wal_limit_mb=1)
    wal = other.with_name("other.db-wal")
    wal.write_bytes(b"0" * 2 * MB)
    assert (await rounds.texts("wal_grows"))[0].startswith("other.db-wal has 2 MB")
    wal.unlink()
    assert await rounds.go("wal_grows") == {}


async def test_in_production_a_backup_older_than_a_day_is_told_and_none_at_all_too(rounds: Rounds) -> None:
    await rounds.order("#1")
    rounds.later(hours=27)
    assert await rounds.go("backup_old") == {}, "the sandbox has nothing to lose"
    rounds.house.production[ERP] = True
    assert await rounds.texts("backup_old") == ["there never was a backup: bcbridge backup FILE"]
    await rounds.house.store.write(lambda tx: meta.put(tx, BACKUP_AT, stamp(rounds.now())))
    assert await rounds.go("backup_old") == {}
    rounds.later(hours=27)
    assert await rounds.texts("backup_old") == ["the last backup is 1 d 3 h old: bcbridge backup FILE"]


async def test_where_an_age_is_set_it_holds_everywhere(rounds: Rounds) -> None:
    rounds.limits(backup_max_age_hours=2.0)
    await rounds.order("#1")
    rounds.later(hours=3)
    assert len(await rounds.go("backup_old")) == 1
