"""The explained number follows every look at an own order, or knows that it cannot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.shelf import Anchored, Kept, Reading
from bcbridge.model.stock import ShelfItem
from bcbridge.store.db import connect
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import shown
from tests.stores import empty_store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OUTLET = (
    "INSERT INTO stock_outlets (channel, location, erp, basis, compares, reserves, takes_off) VALUES (?,?,?,?,?,?,?)"
)
UNDER_WAY = """
INSERT INTO stock_writes (id, key, channel, kind, state, made_at) VALUES (7, 'k', 'woo', 'set', 'under_way', ?)
"""
ROW = "SELECT * FROM stock_shown WHERE sku = ? AND channel = ? AND location = ?"


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    empty_store(tmp_path / "bcbridge.db")
    connection = connect(tmp_path / "bcbridge.db")
    for channel, location, compares, reserves, takes_off in (
        ("shopify", "L1", 1, 0, "at_order"),
        ("woo", "", 0, 0, "at_order"),
        ("big", "1", 0, 0, "at_shipment"),
        ("msi", "default", 0, 1, "at_shipment"),
        ("two", "L1", 1, 0, "at_order"),
        ("two", "L2", 1, 0, "at_order"),
    ):
        connection.execute(OUTLET, (channel, location, "bluecherry", "ots", compares, reserves, takes_off))
    connection.execute("BEGIN")
    yield connection
    connection.close()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def item(location: str, name: str = "i1", *, managed: bool = True, number: int | None = 5) -> ShelfItem:
    return ShelfItem(
        location=Ref(location),
        item=Ref(name),
        group=Ref("g"),
        variant=Ref(f"v-{name}"),
        sku="S",
        barcode=None,
        title="a shirt",
        shown=number,
        managed=managed,
        why="" if managed else "untracked",
    )


def keep(tx: sqlite3.Connection, channel: str, *items: ShelfItem, read: int = 1, sku: str = "S") -> None:
    shown.keep_items(tx, channel, read, [Kept(sku, one) for one in items])


def anchor(
    tx: sqlite3.Connection, channel: str, location: str, number: int, *, seconds: float = 0, heal: bool = True
) -> list[Anchored]:
    reading = Reading("S", location, "i1", number, at(seconds), at(seconds + 1))
    return shown.anchor(tx, channel, [reading], heal=heal)


def look(
    tx: sqlite3.Connection,
    channel: str,
    d: int,
    *,
    location: str = "",
    placed: float,
    looked: float,
    before: float | None = None,
) -> None:
    shown.own_change(
        tx,
        channel,
        location,
        "S",
        d,
        looked_at=at(looked),
        placed_at=at(placed),
        before=None if before is None else at(before),
        now=at(looked + 0.5),
    )


def row(tx: sqlite3.Connection, channel: str, location: str) -> dict[str, Any]:
    return dict(tx.execute(ROW, ("S", channel, location)).fetchone())


def e(tx: sqlite3.Connection, channel: str, location: str) -> tuple[int | None, bool]:
    """E, and whether it is doubtful."""
    found = row(tx, channel, location)
    return found["explained"], bool(found["dirty"])


def test_what_compares_follows_every_change_whenever_it_came(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    look(tx, "shopify", 2, location="L1", placed=5, looked=10)
    look(tx, "shopify", -1, placed=5, looked=20, before=10)
    assert e(tx, "shopify", "L1") == (4, False)


def test_what_was_read_may_lack_the_pieces_of_an_order_that_is_listed_late(tx: sqlite3.Connection) -> None:
    """Taken off once more they would be given back by the next raise: it is read again."""
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    look(tx, "shopify", 2, location="L1", placed=-60, looked=10)
    assert e(tx, "shopify", "L1") == (5, True)


def test_what_was_read_as_explained_lacks_nothing_that_is_listed_late(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    anchor(tx, "shopify", "L1", 5, seconds=3600)
    look(tx, "shopify", 2, location="L1", placed=3590, looked=3610)
    assert e(tx, "shopify", "L1") == (3, False)


def test_an_edit_that_is_listed_long_after_a_number_was_read_came_after_it(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    look(tx, "shopify", 1, location="L1", placed=-3600, looked=3600, before=-3000)
    assert e(tx, "shopify", "L1") == (4, False)


def test_a_blind_number_follows_what_surely_came_after_its_last_answer(tx: sqlite3.Connection) -> None:
    keep(tx, "woo", item(""))
    anchor(tx, "woo", "", 5)
    look(tx, "woo", 1, placed=30, looked=31)
    look(tx, "woo", 1, placed=-500, looked=60, before=31)
    assert e(tx, "woo", "") == (3, False)


@pytest.mark.parametrize("d", [1, 0, -1])
@pytest.mark.parametrize(("placed", "before"), [(-10.0, None), (2.5, None), (-10.0, -5.0)])
def test_a_blind_number_is_doubtful_where_the_change_may_have_been_overwritten(
    tx: sqlite3.Connection, d: int, placed: float, before: float | None
) -> None:
    """Also where nothing has changed: an edit up before the write and down after it looks like none."""
    keep(tx, "woo", item(""))
    anchor(tx, "woo", "", 5)  # answered at second 1
    look(tx, "woo", d, placed=placed, looked=40, before=before)
    assert e(tx, "woo", "") == (5, True)


def test_a_blind_number_is_doubtful_after_any_look_while_a_write_is_on_its_way(tx: sqlite3.Connection) -> None:
    keep(tx, "woo", item(""))
    anchor(tx, "woo", "", 5)
    tx.execute(UNDER_WAY, (stamp(at(5)),))
    tx.execute("UPDATE stock_shown SET writing = 7 WHERE channel = 'woo'")
    look(tx, "woo", 1, placed=30, looked=31)
    assert e(tx, "woo", "") == (5, True)


def test_what_is_taken_off_at_shipment_moves_by_no_sale_and_is_doubtful_after_a_dispatch(
    tx: sqlite3.Connection,
) -> None:
    keep(tx, "big", item("1"))
    anchor(tx, "big", "1", 5)
    look(tx, "big", 0, placed=30, looked=31)
    assert e(tx, "big", "1") == (5, False)
    look(tx, "big", 1, placed=30, looked=61, before=31)
    assert e(tx, "big", "1") == (5, True)


def test_where_the_channel_reserves_no_order_moves_the_number(tx: sqlite3.Connection) -> None:
    keep(tx, "msi", item("default"))
    anchor(tx, "msi", "default", 5)
    look(tx, "msi", 2, placed=-30, looked=31)
    assert e(tx, "msi", "default") == (5, False)


def test_a_sale_at_an_unknown_one_of_several_locations_makes_each_doubtful(tx: sqlite3.Connection) -> None:
    keep(tx, "two", item("L1"), item("L2", "i2"))
    anchor(tx, "two", "L1", 5)
    look(tx, "two", 1, placed=30, looked=31)
    assert [e(tx, "two", place)[1] for place in ("L1", "L2")] == [True, True]
    assert e(tx, "two", "L1")[0] == 5


def test_a_sale_at_another_location_moves_nothing_here(tx: sqlite3.Connection) -> None:
    keep(tx, "two", item("L1"), item("L2", "i2"))
    anchor(tx, "two", "L1", 5)
    look(tx, "two", 1, location="L2", placed=30, looked=31)
    assert e(tx, "two", "L1") == (5, False)


# -- anchors -----------------------------------------------------------------------------------------------------


def test_before_its_anchor_a_number_has_no_e_and_the_anchor_takes_off_what_came_after(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    look(tx, "shopify", 1, placed=-60, looked=-50)  # known before the number was read: it is in it
    look(tx, "shopify", 3, placed=10, looked=11)
    assert e(tx, "shopify", "L1") == (None, False)
    assert anchor(tx, "shopify", "L1", 8)[0].actual == 5
    assert e(tx, "shopify", "L1") == (5, False)


def test_where_an_order_may_be_in_the_reading_or_not_a_channel_that_compares_is_read_again(
    tx: sqlite3.Connection,
) -> None:
    keep(tx, "shopify", item("L1"))
    look(tx, "shopify", 1, placed=-1, looked=2)
    (anchored,) = anchor(tx, "shopify", "L1", 8)
    assert not anchored.sure
    assert e(tx, "shopify", "L1") == (None, False)


def test_missing_pieces_do_not_lower_a_doubtful_number_that_is_compared(tx: sqlite3.Connection) -> None:
    """They may be orders that no list shows yet: the next write is made from what was read, and keeps them."""
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    shown.doubt(tx, "shopify", ["S"], "pieces were taken off an order", now=at(10))
    anchor(tx, "shopify", "L1", 3, seconds=20)
    assert (e(tx, "shopify", "L1"), row(tx, "shopify", "L1")["stale"]) == ((5, False), 3)
    shown.doubt(tx, "shopify", ["S"], "pieces were taken off an order", now=at(30))
    anchor(tx, "shopify", "L1", 7, seconds=40)
    assert (e(tx, "shopify", "L1"), row(tx, "shopify", "L1")["stale"]) == ((7, False), None)


@pytest.mark.parametrize(("stands", "comes_to"), [(6, 6), (5, 5), (4, 5)])
def test_a_cancel_is_put_back_or_not_and_the_next_read_says_which(
    tx: sqlite3.Connection, stands: int, comes_to: int
) -> None:
    """5 or 6 stand there, by what the shop did with the piece; where fewer do, they are sold and not seen yet."""
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 6)
    look(tx, "shopify", 1, location="L1", placed=30, looked=31)
    look(tx, "shopify", -1, location="L1", placed=30, looked=61, before=31)
    shown.doubt(tx, "shopify", ["S"], "pieces were taken off an order", now=at(61))
    assert e(tx, "shopify", "L1") == (6, True)  # lowered from what it is at most
    anchor(tx, "shopify", "L1", stands, seconds=90)
    assert e(tx, "shopify", "L1") == (comes_to, False)


def test_an_order_that_may_be_in_the_number_read_or_not_is_said_by_the_next_read(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 6, seconds=60)
    look(tx, "shopify", 1, location="L1", placed=0, looked=90, before=30)
    assert e(tx, "shopify", "L1") == (6, True)
    anchor(tx, "shopify", "L1", 5, seconds=120)
    assert e(tx, "shopify", "L1") == (5, False)


def test_a_number_read_before_a_doubt_arose_does_not_end_it(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    shown.doubt(tx, "shopify", ["S"], "pieces were taken off an order", now=at(30))
    anchor(tx, "shopify", "L1", 5, seconds=20)
    assert e(tx, "shopify", "L1") == (5, True)
    anchor(tx, "shopify", "L1", 5, seconds=40)
    assert e(tx, "shopify", "L1") == (5, False)


def test_a_blind_number_read_while_an_order_changed_stays_doubtful(tx: sqlite3.Connection) -> None:
    keep(tx, "woo", item(""))
    look(tx, "woo", 1, placed=-1, looked=2)
    anchor(tx, "woo", "", 8)
    assert e(tx, "woo", "") == (8, True)


def test_a_gap_that_no_order_explains_is_drift_and_is_corrected(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    look(tx, "shopify", 1, placed=30, looked=31)
    (anchored,) = anchor(tx, "shopify", "L1", 9, seconds=60)
    assert (anchored.explained, anchored.actual, anchored.drifted) == (4, 9, True)
    assert e(tx, "shopify", "L1") == (9, False)
    (again,) = anchor(tx, "shopify", "L1", 9, seconds=120)
    assert not again.drifted
    assert row(tx, "shopify", "L1")["agreed_at"] == stamp(at(121))


def test_drift_that_is_only_told_leaves_e_alone(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    assert anchor(tx, "shopify", "L1", 9, seconds=60, heal=False)[0].drifted
    assert e(tx, "shopify", "L1") == (5, False)


def test_a_number_read_while_ours_was_on_its_way_anchors_nothing(tx: sqlite3.Connection) -> None:
    keep(tx, "woo", item(""))
    anchor(tx, "woo", "", 5, seconds=60)
    assert anchor(tx, "woo", "", 7, seconds=60.5) == []
    assert e(tx, "woo", "") == (5, False)


def test_changes_are_forgotten_when_no_reading_can_need_them(tx: sqlite3.Connection) -> None:
    look(tx, "shopify", 1, placed=0, looked=1)
    look(tx, "nobody's", 1, placed=0, looked=1)
    assert tx.execute("SELECT count(*) FROM stock_own_changes").fetchone()[0] == 1
    assert shown.forget_changes(tx, now=at(60)) == 0
    assert shown.forget_changes(tx, now=at(7200)) == 1


# -- items -------------------------------------------------------------------------------------------------------


def test_an_item_that_may_not_be_written_is_left_alone_and_says_why(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1", managed=False))
    assert (row(tx, "shopify", "L1")["state"], row(tx, "shopify", "L1")["why"]) == ("left_alone", "untracked")
    keep(tx, "shopify", item("L1"), read=2)
    assert row(tx, "shopify", "L1")["state"] == "kept"


def test_an_item_where_nothing_is_fed_is_nobodys(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("elsewhere"))
    assert tx.execute("SELECT count(*) FROM stock_shown").fetchone()[0] == 0


def test_a_sku_on_two_items_is_left_alone_until_a_whole_read_shows_it_once(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"), item("L1", "i2"))
    assert row(tx, "shopify", "L1")["state"] == "twice"
    shown.end_read(tx, "shopify", 1)
    assert row(tx, "shopify", "L1")["state"] == "twice"
    keep(tx, "shopify", item("L1"), read=2)
    assert row(tx, "shopify", "L1")["state"] == "twice"
    shown.end_read(tx, "shopify", 2)
    assert (row(tx, "shopify", "L1")["state"], e(tx, "shopify", "L1")) == ("kept", (None, False))


def test_an_item_shown_twice_by_a_list_that_moves_is_one(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    keep(tx, "shopify", item("L1"))
    assert row(tx, "shopify", "L1")["state"] == "kept"


def test_another_item_for_the_sku_is_anchored_anew(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    anchor(tx, "shopify", "L1", 5)
    keep(tx, "shopify", item("L1", "i9"), read=2)
    assert (row(tx, "shopify", "L1")["item"], e(tx, "shopify", "L1")) == ("i9", (None, False))


def test_what_a_whole_read_no_longer_shows_is_gone_and_comes_back_when_shown_again(tx: sqlite3.Connection) -> None:
    keep(tx, "shopify", item("L1"))
    assert shown.end_read(tx, "shopify", 2) is None
    assert row(tx, "shopify", "L1")["state"] == "gone"
    keep(tx, "shopify", item("L1"), read=3)
    assert row(tx, "shopify", "L1")["state"] == "kept"


def test_the_end_of_a_read_goes_in_slices(tx: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "END_STEP", 2)
    for number in range(5):
        keep(tx, "shopify", item("L1", f"i{number}"), sku=f"S{number}")
    after: str | None = ""
    slices = 0
    while after is not None:
        after = shown.end_read(tx, "shopify", 2, after=after)
        slices += 1
    assert slices == 2
    assert tx.execute("SELECT count(*) FROM stock_shown WHERE state = 'gone'").fetchone()[0] == 5
