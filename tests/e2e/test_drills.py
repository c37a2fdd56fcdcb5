"""What goes wrong in a machine room: a broken disk, a wire that is cut, a name nobody knows, an ERP that is down.

A full disk, files that may not grow and a locked file are in test_disk.py. What was seen: docs/running.md.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.relay import relay
from tests.e2e.world import World, until, world

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 90.0
SHORT_CALLS = "request_timeout_seconds = 2"


def books_agree(one: World) -> None:
    assert one.doubles() == {}
    assert one.judged().wrong == ()


def books(one: World, least: int) -> None:
    one.comes(lambda: len(one.booked()) >= least, f"{least} are booked", within=PATIENCE_SECONDS)


def ring(one: World, delivery: str) -> int:
    body = json.dumps({"id": 4711, "admin_graphql_api_id": "gid://shopify/Order/4711"}).encode()
    return one.ring(body, delivery=delivery)


def burnt(one: World) -> int:
    """The most attempts that any job has behind it."""
    return int(one.rows("SELECT coalesce(max(attempts), 0) AS n FROM jobs")[0]["n"])


# -- a broken disk -----------------------------------------------------------------------------------------------


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


# -- wires -------------------------------------------------------------------------------------------------------


def test_lines_that_die_without_a_word_cost_time_and_no_order(tmp_path: Path) -> None:
    """Half-open: the other side is gone, and nothing says so. What was being sent is in doubt, and found out."""
    with (
        world(tmp_path, erp_settings=SHORT_CALLS) as one,
        relay(one.ports["bluecherry"]) as erp,
        relay(one.ports["shopify"]) as shop,
    ):
        one.configure(bluecherry=erp.own, shopify=shop.own)
        one.run_bridge()
        one.sell(40, seed=85, rate=8, simple=True)
        for least in (5, 15):
            books(one, least)
            one.comes(lambda: erp.freeze() >= 1, "a line that stood is dead")
            shop.freeze()
        one.comes(lambda: len(one.sold()) >= 40, "all are sold", within=PATIENCE_SECONDS)
        one.sell_until_all_booked(seed=850)
        books_agree(one)
        assert one.bridge_is_up()


def test_while_the_erp_is_down_nothing_burns_and_afterwards_everything_is_booked_once(tmp_path: Path) -> None:
    """As long as the test has patience; a whole day, on a clock that is moved, is in tests/runtime/test_outage.py."""
    with world(tmp_path, erp_settings=SHORT_CALLS) as one, relay(one.ports["bluecherry"]) as erp:
        one.configure(bluecherry=erp.own)
        one.run_bridge()
        one.sell_all(4, seed=86, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        one.sell(40, seed=87, rate=10, simple=True)
        one.comes(lambda: len(one.booked()) >= 8, "it is in the middle of it", within=PATIENCE_SECONDS)
        erp.down()
        one.comes(lambda: "bluecherry is paused" in str(one.ready()["why"]), "it says so", within=PATIENCE_SECONDS)
        assert "circuit_open" in one.incidents()
        one.comes(lambda: len(one.sold()) >= 44, "the shop goes on selling", within=PATIENCE_SECONDS)
        came_in = one.paid().keys()
        one.comes(lambda: came_in <= one.all_states().keys(), "orders come in all the same", within=PATIENCE_SECONDS)
        before = burnt(one)
        waiting = one.in_state("ready", "sending", "accepted", "in_doubt")
        assert waiting
        assert burnt(one) <= max(before, 3), "what waits for the ERP burns no attempts"
        assert one.rows("SELECT 1 FROM jobs WHERE state = 'dead'") == []
        erp.up()
        one.sell_until_all_booked(seed=870)
        books_agree(one)
        one.comes(lambda: one.incidents() == [], "its incident ends by itself", within=PATIENCE_SECONDS)


def test_a_name_that_nobody_knows_pauses_that_connection_alone(tmp_path: Path) -> None:
    """The machine's own resolver is asked for a host that does not exist (RFC 6761: .invalid never does)."""
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell_all(2, seed=88, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        assert one.stop_bridge() == 0
        kept = one.config.read_text()
        gone = kept.replace(f"http://127.0.0.1:{one.ports['bluecherry']}/", "https://bluecherry.invalid/")
        assert gone != kept
        one.config.write_text(gone)
        one.run_bridge()
        one.sell_all(3, seed=89, simple=True)
        one.comes(lambda: "bluecherry is paused" in str(one.ready()["why"]), "it says so", within=PATIENCE_SECONDS)
        came_in = one.paid().keys()
        one.comes(lambda: came_in <= one.all_states().keys(), "the shop is read all the same", within=PATIENCE_SECONDS)
        assert one.rows("SELECT 1 FROM jobs WHERE state = 'dead'") == []
        assert one.stop_bridge() == 0
        one.config.write_text(kept)
        one.run_bridge()
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
