"""What goes wrong in a machine room: a broken disk, a store that may only be read.

Wires are in test_wires.py; a full disk, files that may not grow and a locked file in test_disk.py. What was seen:
docs/running.md.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.world import World, until, world

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 90.0


def books_agree(one: World) -> None:
    assert one.doubles() == {}
    assert one.judged().wrong == ()


def ring(one: World, delivery: str) -> int:
    body = json.dumps({"id": 4711, "admin_graphql_api_id": "gid://shopify/Order/4711"}).encode()
    return one.ring(body, delivery=delivery)


def spoil(path: Path, *tables: str) -> None:
    """A disk gives back something else than was written: the first page of these tables."""
    with closing(sqlite3.connect(path)) as connection:
        pages = [
            connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
            for table in tables
        ]
    with path.open("r+b") as file:
        for page in pages:
            file.seek(4096 * (page - 1))
            file.write(b"\xaa" * 4096)


def test_a_corrupted_page_ends_the_writing_is_said_everywhere_and_a_restore_cures_it(tmp_path: Path) -> None:
    with world(tmp_path, public=True) as one:
        one.run_bridge()
        one.sell_all(4, seed=81, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        file = tmp_path / "kept.db"
        one.did("backup", str(file))
        assert one.stop_bridge() == 0
        spoil(one.store, "events", "deliveries")

        one.run_bridge()
        one.sell_all(3, seed=82, simple=True)
        one.comes(lambda: "is damaged" in str(one.ready()["why"]), "it says so", within=PATIENCE_SECONDS)
        assert "bcbridge restore" in str(one.ready()["why"]), "and what to do"
        sent = len(one.books(one.erp, "inbound"))
        assert [ring(one, f"ours-{number}") for number in range(3)] == [503] * 3
        assert one.bridge_is_up()
        assert len(one.books(one.erp, "inbound")) == sent, "nothing is sent that cannot be written down"
        assert one.stop_bridge() == 0

        process = one.start_bridge()
        until(lambda: process.poll() is not None, PATIENCE_SECONDS, "it does not start on a damaged store")
        assert process.returncode != 0
        assert "was found damaged" in one.log_tail()
        said = one.cli("verify")
        assert said.returncode == 1
        assert "restore the last good backup" in said.stdout
        assert one.cli("backup", str(tmp_path / "late.db")).returncode == 1, "no backup is made of it"

        one.did("restore", str(file), "--replace")
        one.run_bridge()
        one.comes(lambda: one.ready()["ready"], "all is well again", within=PATIENCE_SECONDS)
        assert one.did("verify")["ok"] is True
        names = [order["name"] for order in one.sold()]
        assert set(names[:4]) <= one.in_state("booked")
        late = set(names[4:])
        one.comes(lambda: late <= one.in_state("in_doubt"), "it doubts what came since", within=PATIENCE_SECONDS)
        assert one.doubles() == {}


@contextmanager
def read_only_disk(folder: Path) -> Iterator[Path]:
    """A small file system that can be made read-only; whoever may not mount one skips."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_store_that_may_only_be_read_ends_the_start_in_words(tmp_path: Path) -> None:
    with read_only_disk(tmp_path / "disk") as disk, world(tmp_path, store_path="disk/bcbridge.db") as one:
        one.run_bridge()
        one.sell_all(2, seed=83, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        assert one.stop_bridge() == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        process = one.start_bridge()
        until(lambda: process.poll() is not None, PATIENCE_SECONDS, "it ends")
        assert process.returncode != 0
        assert "owner, mode, mount and free space" in one.log_tail()
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        one.run_bridge()
        one.sell_all(2, seed=84, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
