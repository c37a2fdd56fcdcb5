"""A backup is whole or not there; a restore takes the store's place or leaves it; what is damaged is not written."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bcbridge.errors import StoreBusy
from bcbridge.store import backup, meta, outbox
from bcbridge.store.backup import BackupFailed, NotABackup, make
from bcbridge.store.damage import StoreDamaged, StoreUnusable, mark_of
from bcbridge.store.db import Store, StoreLocked, connect
from bcbridge.store.restore import RESTORED_AT, RestoreRefused, finish, restore
from bcbridge.store.stock import compares, known
from bcbridge.store.verify import verify
from tests.runtime.kit import SINK, START, Bench, bench
from tests.store.stock.books import Book, outlet

WHO = "ops@example.com"


@pytest.fixture
async def b(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        yield made


async def booked(b: Bench, *numbers: int) -> None:
    for number in numbers:
        await b.book(number)
    b.clock.tick()
    b.erp.post()
    await b.writer.confirm_posted()


async def aside(work: Callable[..., Any], *said: Any, **more: Any) -> Any:
    """Beside the event loop: it blocks."""
    return await asyncio.to_thread(partial(work, *said, **more))


async def reopened(b: Bench) -> Store:
    """The store as the next start of the bridge opens it."""
    b.store = Store(b.store.path)
    await b.store.open()
    return b.store


def numbers(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM outbox WHERE number <> '' ORDER BY id")]


# -- backup ------------------------------------------------------------------------------------------------------


async def test_a_backup_of_a_running_bridge_is_whole_and_for_its_owner_alone(b: Bench, tmp_path: Path) -> None:
    await booked(b, 1, 2)
    file = tmp_path / "kept" / "one.db"
    file.parent.mkdir()
    made = await aside(make, b.store.path, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.bytes == file.stat().st_size
    assert numbers(file) == ["SO1", "SO2"]
    assert (await aside(verify, file)).ok
    assert [one.name for one in file.parent.iterdir()] == ["one.db"], "one file, and nothing beside it"


async def test_while_it_is_copied_the_writer_goes_on(b: Bench, tmp_path: Path) -> None:
    """The copy waits in the middle of it until the store has taken something new: it must not have held it up."""
    await booked(b, 1)
    loop, wrote = asyncio.get_running_loop(), asyncio.Event()

    async def write() -> None:
        await b.store.write(lambda tx: meta.put(tx, "meanwhile", "1"))
        wrote.set()

    def look() -> bool:
        asyncio.run_coroutine_threadsafe(write(), loop).result(10)
        return False

    def work() -> None:
        backup.STEPS_BETWEEN_LOOKS, before = 100, backup.STEPS_BETWEEN_LOOKS
        try:
            backup.make(b.store.path, tmp_path / "one.db", stopped=look)
        finally:
            backup.STEPS_BETWEEN_LOOKS = before

    await asyncio.to_thread(work)
    assert wrote.is_set()
    assert (await aside(verify, tmp_path / "one.db")).ok


async def test_what_is_there_is_not_overwritten_without_a_word(b: Bench, tmp_path: Path) -> None:
    file = tmp_path / "one.db"
    file.write_text("something of somebody")
    with pytest.raises(BackupFailed, match="--force"):
        await aside(make, b.store.path, file)
    assert file.read_text() == "something of somebody"
    await aside(make, b.store.path, file, replace=True)
    assert (await aside(verify, file)).ok


async def test_one_that_is_stopped_leaves_the_last_one_as_it_was(b: Bench, tmp_path: Path) -> None:
    file = tmp_path / "one.db"
    await aside(make, b.store.path, file)
    before = file.read_bytes()
    await booked(b, *range(1, 40))
    backup_steps, backup.STEPS_BETWEEN_LOOKS = backup.STEPS_BETWEEN_LOOKS, 10
    try:
        with pytest.raises(BackupFailed, match="told to stop"):
            await aside(make, b.store.path, file, replace=True, stopped=lambda: True)
    finally:
        backup.STEPS_BETWEEN_LOOKS = backup_steps
    assert file.read_bytes() == before
    assert not (tmp_path / "one.db.part").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from bcbridge.store import backup
backup.STEPS_BETWEEN_LOOKS = 10
def die():
    os.kill(os.getpid(), signal.SIGKILL)
backup.make(Path(sys.argv[1]), Path(sys.argv[2]), replace=True, stopped=die)
"""


async def test_killed_in_the_middle_the_last_backup_stands_and_the_next_one_is_made(b: Bench, tmp_path: Path) -> None:
    await booked(b, 1)
    file = tmp_path / "one.db"
    await aside(make, b.store.path, file)
    before = file.read_bytes()
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, str(b.store.path), str(file)])
    assert ended.returncode == -signal.SIGKILL
    assert file.read_bytes() == before
    await booked(b, 2)
    await aside(make, b.store.path, file, replace=True)
    assert numbers(file) == ["SO1", "SO2"]


async def test_a_damaged_store_gives_no_backup(b: Bench, tmp_path: Path) -> None:
    await booked(b, 1)
    await b.store.close()
    spoil(b.store.path)
    with pytest.raises(BackupFailed, match=r"malformed|damaged"):
        await aside(make, b.store.path, tmp_path / "one.db")
    assert not (tmp_path / "one.db").exists()


def test_the_oldest_of_its_own_backups_go_and_nothing_else(tmp_path: Path) -> None:
    made = [backup.named(tmp_path, START + timedelta(hours=hours)) for hours in range(4)]
    for file in (*made, tmp_path / "mine.db", tmp_path / "bcbridge-before-the-move.db"):
        file.touch()
    assert backup.drop_oldest(tmp_path, keep=3) == 1
    assert backup.drop_oldest(tmp_path, keep=3) == 0
    assert not made[0].exists()
    assert sorted(file.name for file in tmp_path.iterdir())[-1] == "mine.db"
    assert len(list(tmp_path.iterdir())) == 5


# -- restore -----------------------------------------------------------------------------------------------------


async def backed_up(b: Bench, tmp_path: Path) -> Path:
    """A backup that knows order 1, of a store that knows orders 1 and 2; the bridge is down."""
    await booked(b, 1)
    file = tmp_path / "one.db"
    await aside(make, b.store.path, file)
    await booked(b, 2)
    await b.store.close()
    return file


async def test_of_a_restored_store_no_number_that_a_channel_shows_is_believed(b: Bench, tmp_path: Path) -> None:
    def shown(tx: sqlite3.Connection) -> None:
        book = Book(tx)
        book.outlets(outlet("shop"))
        book.shown("shop", "012345678905", 7)
        known.know(tx, "shop", b.clock())
        compares.end(tx, compares.begin(tx, "shop", now=b.clock()), now=b.clock())

    await b.store.write(shown)
    assert await compares.was_read(b.store.read, "shop")
    file = await backed_up(b, tmp_path)
    await aside(restore, b.store.path, file, replace=True, who=WHO, now=b.clock())
    store = await reopened(b)
    row = await store.read.row("SELECT explained FROM stock_shown")
    assert row is not None
    assert row["explained"] is None
    assert not await compares.was_read(store.read, "shop"), "its shelf is read at once, not when a comparison is due"
    assert not await known.is_read(store, "shop")
    assert await store.write(lambda tx: known.known_upto(tx, "shop")) is None


async def test_a_restored_store_renews_its_epoch_and_books_nothing_twice(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    done = await aside(restore, b.store.path, file, replace=True, who=WHO, now=b.clock())
    assert done.aside is not None
    assert numbers(done.aside) == ["SO1", "SO2"], "the store that was there stands aside, whole"
    await reopened(b)
    before = b.clock()
    b.clock.tick(60)
    await b.start()
    assert (await b.incidents()) == ["unknown_reference"]
    assert (await meta.read(b.store, f"epoch/{SINK}")) > (await meta.read(b.store, RESTORED_AT))  # type: ignore[operator]
    plan = await b.plan(2, created=before)
    await b.writer.carry(plan)
    await b.read_back()
    assert await b.state(2) == "posted"
    assert b.erp.copies("SU2P1G1") == 1
    known = await b.store.write(lambda tx: outbox.end_known(tx, sink=SINK, erp="erp", now=b.clock()))
    assert known, "every unknown reference is a document of this store again: the incident is over"
    assert await b.incidents() == []
    assert (await aside(verify, b.store.path)).ok


async def test_what_was_sold_while_it_was_down_is_booked_once_when_later_orders_have_come_through(
    b: Bench, tmp_path: Path
) -> None:
    """It may have been sent by the life that was forgotten, and the ERP may still post it: it waits for evidence."""
    file = await backed_up(b, tmp_path)
    await aside(restore, b.store.path, file, replace=True, who=WHO, now=b.clock())
    await reopened(b)
    while_down = b.clock()
    b.clock.tick(60)
    await b.start()
    await b.writer.carry(await b.plan(3, created=while_down))
    await b.read_back()
    assert (await b.state(3), b.erp.copies("SU3P1G1")) == ("in_doubt", 0)
    b.clock.tick(600)
    await b.evidence()
    await b.read_back()
    b.erp.post()
    await b.writer.confirm_posted()
    assert (await b.state(3), b.erp.copies("SU3P1G1")) == ("posted", 1)


async def test_what_was_only_accepted_since_is_doubted_although_the_erp_lists_nothing_unknown(
    b: Bench, tmp_path: Path
) -> None:
    """No stranger says that this store is an older one: the restore itself has to."""
    await booked(b, 1)
    file = tmp_path / "kept.db"
    await aside(make, b.store.path, file)
    b.clock.tick(60)
    await b.book(2)  # accepted, not posted yet
    created = b.clock()
    await b.store.close()
    await aside(restore, b.store.path, file, replace=True, who=WHO, now=b.clock())
    await reopened(b)
    b.clock.tick(60)
    await b.start()
    assert await b.incidents() == []
    await b.writer.carry(await b.plan(2, created=created))
    b.erp.post()
    await b.writer.confirm_posted()
    assert (await b.state(2), b.erp.copies("SU2P1G1")) == ("posted", 1)


async def test_what_nobody_can_explain_is_not_over_by_itself(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    await aside(restore, b.store.path, file, replace=True, who=WHO, now=b.clock())
    await reopened(b)
    await b.start()
    assert not await b.store.write(lambda tx: outbox.end_known(tx, sink=SINK, erp="erp", now=b.clock()))
    assert await b.incidents() == ["unknown_reference"]


async def test_a_store_that_is_there_is_replaced_only_on_a_word(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    with pytest.raises(RestoreRefused, match="--replace"):
        await aside(restore, b.store.path, file, replace=False, who=WHO, now=b.clock())
    assert numbers(b.store.path) == ["SO1", "SO2"]


async def test_something_else_than_a_backup_is_refused_in_words(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    text, other, half = tmp_path / "text", tmp_path / "other.db", tmp_path / "half.db"
    text.write_text("no database at all, but long enough to be taken for one" * 20)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    newer = tmp_path / "newer.db"
    newer.write_bytes(file.read_bytes())
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 999")
    said = {text: "cannot be read", other: "not a store of bcbridge", half: "damaged|read", newer: "newer bcbridge"}
    for wrong, words in said.items():
        with pytest.raises(RestoreRefused, match=words):
            await aside(restore, b.store.path, wrong, replace=True, who=WHO, now=b.clock())
    assert numbers(b.store.path) == ["SO1", "SO2"]
    assert sorted(tmp_path.glob("bcbridge.db*")) == [b.store.path, tmp_path / "bcbridge.db.lock"]


async def test_decided_and_killed_it_is_finished_by_whoever_opens_the_store(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    decided = b.store.path.with_name("bcbridge.db.restored")
    decided.write_bytes(file.read_bytes())
    for left in ("-wal", "-shm"):  # of a store whose bridge was killed: worthless, and harmful, beside another file
        b.store.path.with_name(b.store.path.name + left).write_bytes(b"of the old one")
    await reopened(b)
    assert numbers(b.store.path) == ["SO1"]
    (old,) = b.store.path.parent.glob("bcbridge.db.before-restore-*Z")
    assert old.with_name(old.name + "-wal").read_bytes() == b"of the old one"
    assert await aside(finish, b.store.path) is None


async def test_killed_between_its_renames_it_is_finished_too(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    decided = b.store.path.with_name("bcbridge.db.restored")
    decided.write_bytes(file.read_bytes())
    b.store.path.unlink()  # as if it had been put aside already
    await reopened(b)
    assert numbers(b.store.path) == ["SO1"]


RESTORED_AND_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from bcbridge.store import restore
left = [int(sys.argv[3])]
def dying(move):
    def moved(self, target):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return move(self, target)
    return moved
Path.rename, Path.replace = dying(Path.rename), dying(Path.replace)
restore.restore(Path(sys.argv[1]), Path(sys.argv[2]), replace=True, who="x", now=datetime.now(UTC))
"""


@pytest.mark.parametrize(("moves", "left"), [(0, ["SO1", "SO2"]), (1, ["SO1"]), (2, ["SO1"]), (3, ["SO1"])])
async def test_killed_before_any_of_its_moves_one_store_or_the_other_is_there_whole(
    b: Bench, tmp_path: Path, moves: int, left: list[str]
) -> None:
    """SIGKILL to the real thing; the old store has a log beside it, as one has whose bridge was killed too."""
    file = await backed_up(b, tmp_path)
    b.store.path.with_name("bcbridge.db-wal").write_bytes(b"")
    command = [sys.executable, "-c", RESTORED_AND_KILLED, str(b.store.path), str(file), str(moves)]
    ended = await aside(subprocess.run, command)
    assert ended.returncode == -signal.SIGKILL
    await reopened(b)
    assert numbers(b.store.path) == left
    await b.store.close()
    assert (await aside(verify, b.store.path)).ok


async def test_half_a_copy_is_nobodys_business(b: Bench, tmp_path: Path) -> None:
    """Killed before it was decided."""
    await backed_up(b, tmp_path)
    b.store.path.with_name("bcbridge.db.restoring").write_bytes(b"half")
    await reopened(b)
    assert numbers(b.store.path) == ["SO1", "SO2"]


# -- damage ------------------------------------------------------------------------------------------------------


def spoil(path: Path) -> None:
    """A disk gives back something else than was written: the first page of two tables."""
    with sqlite3.connect(path) as connection:
        asked = "SELECT rootpage FROM sqlite_master WHERE name IN ('events', 'deliveries')"
        pages = [row[0] for row in connection.execute(asked)]
    connection.close()
    with path.open("r+b") as file:
        for page in pages:
            file.seek(4096 * (page - 1))
            file.write(b"\xaa" * 4096)


async def test_what_is_damaged_is_not_written_any_more_nor_opened_again(b: Bench) -> None:
    await booked(b, 1)
    await b.store.close()
    spoil(b.store.path)
    store = await reopened(b)
    with pytest.raises(StoreDamaged, match="bcbridge verify"):
        await store.write(lambda tx: tx.execute("INSERT INTO deliveries VALUES ('a','b','c','d','e','f','g')"))
    with pytest.raises(StoreBusy, match="is damaged"):
        await store.write(lambda tx: tx.execute("SELECT 1"))
    await store.close()
    assert not (await aside(verify, b.store.path)).ok
    with pytest.raises(StoreDamaged, match="bcbridge restore"):
        await Store(b.store.path).open()


async def test_a_reader_that_meets_damage_ends_the_writing_too(b: Bench) -> None:
    await booked(b, 1)
    await b.store.close()
    spoil(b.store.path)
    store = await reopened(b)
    try:
        with pytest.raises(StoreDamaged):
            await store.read.rows("SELECT * FROM events")
        with pytest.raises(StoreDamaged):
            await store.write(lambda tx: 1)
        assert "is damaged" in store.damage.why
    finally:
        await store.close()


async def test_restoring_over_it_ends_the_damage(b: Bench, tmp_path: Path) -> None:
    file = await backed_up(b, tmp_path)
    spoil(b.store.path)
    mark_of(b.store.path).write_text("malformed")
    await aside(restore, b.store.path, file, replace=True, who=WHO, now=b.clock())
    await reopened(b)
    assert await b.shown(1) == "booked"


async def test_something_else_in_its_place_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "bcbridge.db"
    path.write_text("no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(StoreDamaged, match="not a database"):
        await Store(path).open()
    await asyncio.to_thread(path.unlink)
    path.mkdir()
    with pytest.raises(StoreUnusable, match="owner, mode, mount"):
        await Store(path).open()


# -- verify ------------------------------------------------------------------------------------------------------


def changed(path: Path, sql: str) -> list[str]:
    """What verify says of a store in which somebody's hand, or a fault of ours, did this; by check."""
    connection = connect(path)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(sql)
    connection.close()
    verdict = verify(path)
    assert all(finding.text and finding.fix for finding in verdict.findings)
    return [finding.check for finding in verdict.findings]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("DELETE FROM links", ["links"]),
        ("UPDATE links SET other_ref = 'SO77'", ["links", "links"]),
        ("UPDATE outbox SET state = 'in_doubt' WHERE number <> ''", ["links", "orders"]),
        ("UPDATE orders SET state = 'blocked' WHERE name = '#1'", ["orders"]),
        ("UPDATE orders SET state = 'sending', booked_at = NULL WHERE name = '#1'", ["orders"]),
        ("UPDATE orders SET booked_at = NULL WHERE name = '#1'", ["orders"]),
        ("UPDATE order_counts SET orders = orders + 1 WHERE state = 'booked'", ["counts"]),
        ("UPDATE outbox SET body = x'00'", ["bodies"]),
        ("UPDATE outbox SET number = 'SO1', reference = 'SU9P1G1' || id", []),
        ("DELETE FROM orders", ["rows", "rows", "rows", "rows", "links"]),
    ],
)
async def test_verify_finds_what_does_not_agree(b: Bench, sql: str, found: list[str]) -> None:
    await booked(b, 1)
    await b.store.close()
    assert (await aside(verify, b.store.path)).findings == ()
    assert await aside(changed, b.store.path, sql) == found


async def test_verify_looks_at_a_running_bridge_too(b: Bench) -> None:
    await booked(b, 1)
    await b.book(2)
    assert (await aside(verify, b.store.path)).ok


async def test_a_backup_is_not_anything(tmp_path: Path) -> None:
    with pytest.raises(NotABackup, match="cannot be read"):
        await aside(backup.look, tmp_path / "absent.db")


async def test_while_the_bridge_runs_nobody_else_takes_the_store(b: Bench) -> None:
    with pytest.raises(StoreLocked):
        await Store(b.store.path).open()
