"""What orders ask for, row by row: it counts from the look on, until a figure provably contains it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from bcbridge.model.ids import ConnectorName, Ref, Reference, Upc
from bcbridge.model.outcome import Ready
from bcbridge.model.plan import Plan, Write
from bcbridge.model.sales_order import BookedLine, BookedOrder
from bcbridge.model.standing import Facts
from bcbridge.model.stock import Asked, OrderLook
from bcbridge.store import acts, orders, outbox
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import adopted, demand, keeping
from tests.runtime.kit import sales_order
from tests.store.stock.books import NOON, SHOPIFY, WOO, Book, at, outlet

DRESS, SKIRT = "012345678905", "036000291452"
ORDER = Ref("order/1")
FIRST, SECOND = "SU1P1G1", "SU1P2G1"


@dataclass
class Desk:
    """One order of one channel in one store, acted upon; every act a minute after the one before."""

    tx: sqlite3.Connection
    channel: str = WOO
    minute: float = 0

    @property
    def now(self) -> datetime:
        return at(self.minute)

    def look(
        self,
        *lines: Asked,
        asked: float | None = None,
        placed: float = 0,
        order: Ref = ORDER,
        again: bool = False,
    ) -> None:
        self.minute += 1
        moment = self.now if asked is None else at(asked)
        look = OrderLook(order, at(placed), moment, lines, again=again)
        demand.looked(self.tx, self.channel, look, now=self.now)

    def wants(self, pieces: int, sku: str = DRESS, warehouse: str = "NJ1", **said: object) -> None:
        self.look(asked_for(pieces, sku, warehouse=warehouse), **said)  # type: ignore[arg-type]

    def sent(self, pieces: int, sku: str = DRESS, warehouse: str = "NJ1", reference: str = FIRST) -> None:
        self.minute += 1
        demand.sent(self.tx, self.channel, ORDER, {(sku, warehouse): pieces}, reference, now=self.now)

    def refused(self, reference: str = FIRST) -> None:
        self.minute += 1
        demand.unsent(self.tx, reference, now=self.now)

    def posted(self, *lines: BookedLine, reference: str = FIRST, by: float | None = None, commits: bool = True) -> None:
        self.minute += 1
        stamped = None if by is None else at(by)
        booked = held(reference, *lines, posted_by=stamped, commits=commits)
        demand.posted(self.tx, reference, booked, arrived=self.now, now=self.now)

    # -- what stands ---------------------------------------------------------------------------------------

    def rows(self, sku: str = DRESS) -> dict[str, int]:
        """Pieces by state."""
        found = self.tx.execute(
            "SELECT state, sum(qty) AS qty FROM stock_demand WHERE sku = ? AND state <> 'void' GROUP BY state", (sku,)
        )
        return {row["state"]: row["qty"] for row in found}

    def where(self, sku: str = DRESS) -> dict[str, int]:
        found = self.tx.execute(
            "SELECT warehouse, sum(qty) AS qty FROM stock_demand WHERE sku = ? AND state <> 'void' GROUP BY warehouse",
            (sku,),
        )
        return {row["warehouse"]: row["qty"] for row in found}

    def counted(self, as_of: float, sku: str = DRESS) -> int:
        """N beside a figure that was taken at this minute."""
        found = self.tx.execute(
            "SELECT coalesce(sum(qty), 0) AS n FROM stock_demand WHERE sku = ? AND state <> 'void'"
            " AND (state <> 'posted' OR posted_by >= ?)",
            (sku, stamp(at(as_of))),
        )
        return int(found.fetchone()["n"])

    def reduced(self) -> tuple[int, int]:
        row = self.tx.execute("SELECT sum(reduced) AS reduced, sum(untold) AS untold FROM stock_reduced").fetchone()
        return row["reduced"] or 0, row["untold"] or 0


def asked_for(
    wanted: int, sku: str = DRESS, *, taken: int | None = None, location: str = "", warehouse: str = "NJ1"
) -> Asked:
    return Asked(Upc(sku), Ref(location), warehouse, wanted, wanted if taken is None else taken)


def line(pieces: int, sku: str = DRESS, *, warehouse: str = "NJ1", picked: int = 0, cancelled: int = 0) -> BookedLine:
    return BookedLine(
        upc=Upc(sku), quantity=pieces, price=Decimal(10), warehouse=warehouse, picked=picked, cancelled=cancelled
    )


def held(reference: str, *lines: BookedLine, posted_by: datetime | None, commits: bool = True) -> BookedOrder:
    return BookedOrder(
        number="SO1",
        key="1",
        reference=Reference(reference),
        name="#1",
        customer="SHOP",
        division="WOM",
        warehouse="NJ1",
        status="O",
        currency="USD",
        lines=lines,
        tax=None,
        freight=None,
        allowances=None,
        charges=None,
        stamp="",
        posted_by=posted_by,
        commits=commits,
    )


@pytest.fixture
def d(book: Book) -> Desk:
    return Desk(book.tx)


# -- the life of a row -----------------------------------------------------------------------------------------


def test_it_counts_from_the_look_until_a_figure_is_younger_than_its_booking(d: Desk) -> None:
    d.wants(2)
    assert (d.rows(), d.counted(99)) == ({"known": 2}, 2)
    d.sent(2)
    assert (d.rows(), d.counted(99)) == ({"sent": 2}, 2)
    d.posted(line(2), by=30)
    assert d.rows() == {"posted": 2}
    assert [d.counted(as_of) for as_of in (29, 30, 30.01)] == [2, 2, 0]


def test_without_a_stamp_of_the_erps_it_is_posted_by_when_its_answer_was_there(d: Desk) -> None:
    d.wants(1)
    d.sent(1)
    d.posted(line(1))
    assert [d.counted(as_of) for as_of in (d.minute, d.minute + 0.01)] == [1, 0]


def test_one_booked_of_two_leaves_one_open(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.posted(line(1), by=10)
    assert d.rows() == {"posted": 1, "sent": 1}
    d.posted(line(2), by=20)
    assert d.rows() == {"posted": 2}
    assert [d.counted(as_of) for as_of in (9, 15, 21)] == [2, 1, 0]


def test_only_the_first_sight_says_by_when_it_was_booked(d: Desk) -> None:
    d.wants(1)
    d.sent(1)
    d.posted(line(1), by=10)
    d.posted(line(1, picked=1), by=40)
    assert d.counted(11) == 0


def test_an_order_whose_status_takes_no_stock_goes_on_counting(d: Desk) -> None:
    d.wants(1)
    d.sent(1)
    d.posted(line(1), by=10, commits=False)
    assert d.rows() == {"sent": 1}
    d.posted(line(1), by=50)
    assert [d.counted(as_of) for as_of in (49, 51)] == [1, 0]


def test_what_was_cancelled_over_there_waits_for_no_picking(d: Desk) -> None:
    """On hand less picked, it would be taken off for ever."""
    d.wants(3)
    d.sent(3)
    d.posted(line(3), by=10)
    d.posted(line(3, picked=1, cancelled=1), by=20)
    assert picked(d) == {20: 2}
    d.posted(line(3, picked=2, cancelled=1), by=30)
    assert picked(d) == {20: 2, 30: 1}


def test_what_was_put_back_on_the_shelf_unpicked_is_taken_off_again(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.posted(line(2, picked=2), by=10)
    d.tx.execute("UPDATE stock_demand SET settled = 1")
    d.posted(line(2, picked=1), by=20)
    assert picked(d) == {10: 1}
    open_ = d.tx.execute("SELECT qty, settled FROM stock_demand WHERE picked_by IS NULL").fetchall()
    assert [tuple(row) for row in open_] == [(1, 0)]


def picked(d: Desk) -> dict[int, int]:
    """Pieces by the minute by which they were picked."""
    found = d.tx.execute(
        "SELECT picked_by, sum(qty) AS qty FROM stock_demand WHERE picked_by IS NOT NULL GROUP BY picked_by"
    )
    return {round((moment(row["picked_by"]) - NOON).total_seconds() / 60): row["qty"] for row in found}


def test_what_is_picked_is_picked_by_the_sight_that_shows_it_piece_by_piece(d: Desk) -> None:
    d.wants(3)
    d.sent(3)
    d.posted(line(3), by=10)
    d.posted(line(3, picked=2), by=20)
    d.posted(line(3, picked=3), by=30)
    found = d.tx.execute("SELECT qty, picked_by FROM stock_demand ORDER BY picked_by").fetchall()
    assert [(row["qty"], moment(row["picked_by"])) for row in found] == [(2, at(20)), (1, at(30))]


def test_refused_it_is_known_again_and_counts_on(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.refused()
    assert (d.rows(), d.counted(99)) == ({"known": 2}, 2)
    d.sent(2, reference="SU1P1G2")
    d.posted(line(2), reference="SU1P1G2", by=20)
    assert d.rows() == {"posted": 2}


def test_two_parts_of_one_sku_are_sent_and_refused_apart(d: Desk) -> None:
    d.look(asked_for(1, location="L1"), asked_for(2, location="L2", warehouse="CA1"))
    d.sent(1)
    d.sent(2, warehouse="CA1", reference=SECOND)
    d.refused(SECOND)
    assert (d.rows(), d.where()) == ({"sent": 1, "known": 2}, {"NJ1": 1, "CA1": 2})


def test_what_was_sent_and_never_looked_at_is_counted_all_the_same(d: Desk) -> None:
    d.sent(2)
    assert d.rows() == {"sent": 2}
    d.refused()
    assert d.rows() == {"known": 2}, "nobody has said that it is wanted no more"
    d.sent(2)
    d.wants(2)
    assert d.rows() == {"sent": 2}
    d.refused()
    assert d.rows() == {"known": 2}


def test_a_document_that_was_refused_and_is_booked_after_all_is_posted(d: Desk) -> None:
    plan = with_document(d.tx, ("posted",), reference=FIRST)
    d.tx.execute("UPDATE outbox SET state = 'rejected', posted_at = NULL")
    d.wants(2, order=plan)
    assert d.rows() == {"known": 2}
    d.posted(line(2), by=20)
    assert d.rows() == {"posted": 2}


# -- where it counts -------------------------------------------------------------------------------------------


def test_it_counts_where_it_will_be_booked_and_everywhere_while_that_is_not_known(d: Desk) -> None:
    d.wants(2, warehouse="")
    assert d.where() == {"": 2}
    d.wants(2, warehouse="NJ1")
    assert d.where() == {"NJ1": 2}


def test_a_line_that_moves_to_another_location_before_it_is_sent_moves_along(d: Desk) -> None:
    d.look(asked_for(3, location="L1"))
    d.look(asked_for(1, location="L1"), asked_for(2, location="L2", warehouse="CA1"))
    assert d.where() == {"NJ1": 1, "CA1": 2}
    assert d.rows() == {"known": 3}


def test_sent_from_another_warehouse_than_was_thought_it_counts_there(d: Desk) -> None:
    d.wants(2)
    d.sent(2, warehouse="CA1")
    assert d.where() == {"CA1": 2}


def test_booked_in_another_warehouse_it_waits_for_the_figure_of_that_one(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.posted(line(1), line(1, warehouse="CA1"), by=10)
    assert (d.rows(), d.where()) == ({"posted": 2}, {"NJ1": 1, "CA1": 1})


# -- edits and cancels -----------------------------------------------------------------------------------------


def test_an_order_edited_3_1_4_counts_right_at_every_step(d: Desk) -> None:
    """Unsent; then sent with a refusal between; then posted; then in the figure."""
    d.wants(3)
    d.wants(1)
    assert d.rows() == {"known": 1}
    d.wants(4)
    assert d.rows() == {"known": 4}
    d.sent(4)
    d.wants(1)
    assert d.rows() == {"sent": 4}, "until the ERP has decided"
    d.wants(4)
    assert d.rows() == {"sent": 4}, "nets against what was not carried"
    d.wants(5)
    assert d.rows() == {"sent": 4, "known": 1}
    d.posted(line(4), by=20)
    d.wants(1)
    assert d.rows() == {"posted": 4}, "off what was not sent alone; the rest by the next figure"
    assert [d.counted(as_of) for as_of in (19, 21)] == [4, 0]
    d.wants(6)
    assert [d.counted(as_of) for as_of in (19, 21)] == [6, 2]


def test_raised_again_after_the_reduction_was_carried_the_difference_is_asked_for(d: Desk) -> None:
    """3 in the figure, lowered to 1 there, raised to 4: 3 are needed, and not 1."""
    d.wants(3)
    d.sent(3)
    d.posted(line(3), by=10)
    d.wants(1)
    d.posted(line(3, cancelled=2), by=20)
    assert (d.rows(), d.reduced()) == ({"posted": 3}, (2, 0))
    d.wants(4)
    assert (d.rows(), d.counted(30)) == ({"posted": 3, "known": 3}, 3)


def test_edited_with_one_booked_of_two_and_a_house_cancel_between(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.posted(line(1), by=10)
    d.wants(3)
    assert d.rows() == {"posted": 1, "sent": 1, "known": 1}
    d.posted(line(1, cancelled=1), by=20)
    assert d.reduced() == (1, 1)
    assert d.rows() == {"posted": 1, "sent": 1, "known": 1}, "no effect on what is counted"
    d.wants(2)
    assert d.reduced() == (1, 0), "the channel has heard of it"
    assert d.rows() == {"posted": 1, "sent": 1, "known": 1}


def test_a_house_cancel_asks_for_nothing_anew_and_gives_nothing_back(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.posted(line(2), by=10)
    d.posted(line(2, cancelled=1), by=20)
    assert (d.rows(), d.reduced()) == ({"posted": 2}, (1, 1))
    assert [d.counted(as_of) for as_of in (9, 11)] == [2, 0]
    d.wants(1)
    assert (d.rows(), d.reduced()) == ({"posted": 2}, (1, 0))
    d.posted(line(2, cancelled=1), by=20)
    assert (d.rows(), d.reduced()) == ({"posted": 2}, (1, 0)), "seen once more"


def test_a_quantity_that_the_house_lowered_is_a_house_cancel(d: Desk) -> None:
    d.wants(3)
    d.sent(3)
    d.posted(line(3), by=10)
    d.posted(line(1), by=20)
    assert (d.rows(), d.reduced()) == ({"posted": 3}, (2, 2))
    d.posted(line(3), by=30)
    assert d.reduced() == (0, 0)


def test_a_cancel_while_accepted_counts_until_the_erp_decides(d: Desk) -> None:
    """Posted after all: until the figure. Its answer was lost: the same."""
    d.wants(2)
    d.sent(2)
    d.look()
    assert (d.rows(), d.counted(99)) == ({"sent": 2}, 2)
    d.posted(line(2), by=30)
    assert [d.counted(as_of) for as_of in (29, 31)] == [2, 0]


def test_a_cancel_while_accepted_is_gone_when_the_erp_refuses(d: Desk) -> None:
    d.wants(2)
    d.sent(2)
    d.look()
    d.refused()
    assert d.rows() == {}


def test_cancelled_before_it_was_sent_it_counts_no_more(d: Desk) -> None:
    d.wants(2)
    d.wants(1, SKIRT, order=Ref("order/2"))
    d.look()
    assert (d.rows(), d.rows(SKIRT)) == ({}, {"known": 1})


def test_a_sku_that_is_not_on_the_order_any_more_is_asked_for_no_more(d: Desk) -> None:
    d.look(asked_for(1), asked_for(2, SKIRT))
    d.look(asked_for(1))
    assert (d.rows(), d.rows(SKIRT)) == ({"known": 1}, {})


def test_skipped_by_a_person_it_asks_for_nothing_and_opened_again_it_does(d: Desk) -> None:
    d.wants(2)
    demand.skipped(d.tx, WOO, ORDER, now=d.now)
    assert d.rows() == {}
    d.wants(2)
    assert d.rows() == {"known": 2}


def test_a_look_that_was_under_way_when_a_person_skipped_it_asks_for_nothing(d: Desk) -> None:
    """Nobody would look at it again: its pieces would be hidden for ever."""
    d.wants(2)
    order_id = orders.record(d.tx, WOO, Facts(ORDER, channel_id="1"), Ready(parts=()), now=NOON)
    acts.skip(d.tx, order_id, who="ops", why="by hand", now=NOON)
    d.wants(2)
    assert d.rows() == {}
    assert d.tx.execute("SELECT wanted, taken FROM stock_asked").fetchall()[0][:] == (0, 2)


def test_gone_from_the_channel_is_a_cancel_and_what_it_took_stays_taken(d: Desk) -> None:
    d.wants(2)
    demand.gone(d.tx, WOO, ORDER, asked=at(5), now=at(5))
    assert d.rows() == {}
    assert d.tx.execute("SELECT wanted, taken FROM stock_asked").fetchall()[0][:] == (0, 2)


# -- looks that come late --------------------------------------------------------------------------------------


def test_a_look_that_is_older_than_what_is_known_changes_nothing(d: Desk) -> None:
    d.minute = 10
    d.wants(1, asked=10)
    d.wants(3, asked=9)
    assert d.rows() == {"known": 1}
    demand.gone(d.tx, WOO, ORDER, asked=at(9), now=at(20))
    assert d.rows() == {"known": 1}


def test_after_the_clock_was_set_back_looks_count_at_once(d: Desk) -> None:
    d.minute = 59
    d.wants(1)
    d.minute = 5
    d.wants(3)
    assert d.rows() == {"known": 3}
    d.minute = 10
    demand.gone(d.tx, WOO, ORDER, asked=at(10), now=d.now)
    assert d.rows() == {}


def test_the_same_look_again_changes_nothing(d: Desk) -> None:
    d.wants(2, asked=10)
    d.wants(2, asked=10)
    assert d.rows() == {"known": 2}


# -- what the channel must be showing --------------------------------------------------------------------------


def shown(book: Book, channel: str, *, explained: int, answered: float, compares: bool) -> None:
    book.outlets(outlet(channel, compares=compares))
    book.shown(channel, DRESS, explained=explained)
    book.tx.execute("UPDATE stock_shown SET answered_at = ?", (stamp(at(answered)),))


def explained(book: Book) -> tuple[int, str]:
    row = book.tx.execute("SELECT explained, dirty FROM stock_shown").fetchone()
    return row["explained"], row["dirty"]


def test_a_sale_lowers_what_the_channel_must_be_showing(book: Book) -> None:
    shown(book, SHOPIFY, explained=5, answered=0, compares=True)
    Desk(book.tx, SHOPIFY).look(asked_for(2, location="L1"), placed=1)
    assert explained(book) == (3, "")


def test_what_is_wanted_and_what_was_taken_are_two_things(book: Book) -> None:
    """The shop took one of the two; the ERP is to deliver both."""
    shown(book, WOO, explained=5, answered=0, compares=False)
    d = Desk(book.tx)
    d.look(asked_for(2, taken=1, location="L1"), placed=1)
    assert (d.rows(), explained(book)) == ({"known": 2}, (4, ""))


def test_an_unchanged_order_of_a_blind_channel_that_was_looked_at_around_a_write_makes_it_doubtful(book: Book) -> None:
    shown(book, WOO, explained=5, answered=0, compares=False)
    d = Desk(book.tx)
    d.look(asked_for(1, location="L1"), placed=1)
    book.tx.execute("UPDATE stock_shown SET answered_at = ?", (stamp(at(1.5)),))
    d.look(asked_for(1, location="L1"), placed=1)
    assert explained(book)[1] != ""


def test_the_same_document_counted_again_makes_nothing_doubtful(book: Book) -> None:
    shown(book, WOO, explained=5, answered=0, compares=False)
    d = Desk(book.tx)
    for _ in range(2):
        d.look(asked_for(1, location="L1"), placed=1, asked=1)
        book.tx.execute("UPDATE stock_shown SET answered_at = ?", (stamp(at(1.5)),))
    assert explained(book) == (4, "")


def test_an_order_that_did_not_change_and_was_looked_at_once_more_makes_nothing_doubtful(book: Book) -> None:
    """Each new order is, two seconds after its first look; a write between the two is no reason for another."""
    shown(book, WOO, explained=5, answered=0, compares=False)
    d = Desk(book.tx)
    d.look(asked_for(1, location="L1"), placed=1)
    book.tx.execute("UPDATE stock_shown SET answered_at = ?", (stamp(at(1.5)),))
    d.look(asked_for(1, location="L1"), placed=1, again=True)
    assert explained(book) == (4, "")


def test_pieces_taken_off_an_order_make_a_comparing_channel_doubtful(book: Book) -> None:
    """Nobody tells whether they were put back on the shelf."""
    shown(book, SHOPIFY, explained=5, answered=0, compares=True)
    d = Desk(book.tx, SHOPIFY)
    d.look(asked_for(2, location="L1"), placed=1)
    d.look(asked_for(1, location="L1"), placed=1)
    assert explained(book) == (4, "pieces were taken off an order")


def test_pieces_found_out_to_be_a_sku_by_a_new_mapping_were_taken_long_ago(book: Book) -> None:
    shown(book, SHOPIFY, explained=5, answered=3, compares=True)
    d = Desk(book.tx, SHOPIFY)
    d.look(asked_for(2, "", location="L1"), placed=1, asked=1)
    d.look(asked_for(2, location="L1"), placed=1, asked=5)
    assert (d.rows(), explained(book)) == ({"known": 2}, (5, ""))


def test_what_nobody_can_say_what_it_is_counts_under_nothing(d: Desk) -> None:
    d.wants(2, "")
    assert d.tx.execute("SELECT count(*) FROM stock_demand").fetchone()[0] == 0


def test_a_location_that_was_known_is_where_it_still_is(book: Book) -> None:
    """A shipped order's line may name none any more: nothing moved."""
    book.outlets(outlet(SHOPIFY, compares=True), outlet(SHOPIFY, "CA1", location="L2", compares=True))
    for location in ("L1", "L2"):
        book.shown(SHOPIFY, DRESS, explained=5, location=location)
    d = Desk(book.tx, SHOPIFY)
    d.look(asked_for(2, location="L1"), placed=1)
    d.look(asked_for(2, warehouse=""), placed=1)
    found = book.tx.execute("SELECT location, explained, dirty FROM stock_shown ORDER BY location").fetchall()
    assert [tuple(row) for row in found] == [("L1", 3, ""), ("L2", 5, "")]


# -- a store from before ---------------------------------------------------------------------------------------


def with_document(
    tx: sqlite3.Connection, states: tuple[str, ...], *, reference: str = FIRST, order: str = ORDER
) -> Ref:
    """An order whose documents an earlier release has cut; no rows of demand are there."""
    facts = Facts(Ref(order), channel_id="1", name="#1", content_hash="1:x")
    order_id = orders.record(tx, WOO, facts, Ready(parts=()), now=NOON)
    writes = tuple(
        Write(part=part, parts=len(states), generation=1, reference=Reference(f"{reference[:-4]}P{part}G1"), item=item)
        for part, item in enumerate(
            (sales_order(f"{reference[:-4]}P{n}G1", (DRESS, 2)) for n, _ in enumerate(states, 1)), 1
        )
    )
    plan = Plan(
        order_id=order_id, channel=ConnectorName(WOO), ref=Ref(order), created=NOON, content_hash="1:x", writes=writes
    )
    outbox.cut(tx, plan, {one.reference: b"x" for one in writes}, sink="erp.orders", doubt=None, now=NOON)
    for write, state in zip(writes, states, strict=True):
        when = stamp(NOON) if state == "posted" else None
        tx.execute("UPDATE outbox SET state = ?, posted_at = ? WHERE reference = ?", (state, when, write.reference))
    tx.execute("DELETE FROM stock_demand")
    return Ref(order)


def test_an_order_booked_by_an_earlier_release_is_not_asked_for_again(d: Desk) -> None:
    with_document(d.tx, ("posted", "accepted", "closed", "rejected"))
    d.wants(4)
    assert (d.rows(), d.counted(1)) == ({"posted": 2, "sent": 2}, 2)
    d.posted(line(2), reference=SECOND, by=20)
    assert (d.rows(), d.counted(30)) == ({"posted": 4}, 0)


def test_a_document_of_an_earlier_release_is_posted_when_it_is_seen(d: Desk) -> None:
    with_document(d.tx, ("accepted",))
    d.posted(line(1), by=20)
    assert d.rows() == {"posted": 1, "sent": 1}
    d.wants(2)
    assert d.rows() == {"posted": 1, "sent": 1}


def test_what_was_booked_lately_or_is_on_its_way_counts_from_the_first_start(d: Desk) -> None:
    with_document(d.tx, ("posted", "accepted"))
    with_document(d.tx, ("posted",), reference="SU2P1G1", order="order/2")
    d.tx.execute("UPDATE outbox SET posted_at = ? WHERE reference = 'SU2P1G1'", (stamp(NOON - timedelta(days=30)),))
    after: int | None = 0
    while after is not None:
        after = adopted.adopt_recent(d.tx, after=after, posted_since=NOON - timedelta(days=7), now=NOON)
    assert d.rows() == {"posted": 2, "sent": 2}
    assert adopted.adopt_recent(d.tx, after=0, posted_since=NOON - timedelta(days=7), now=NOON) is not None
    assert d.rows() == {"posted": 2, "sent": 2}, "once"


def test_of_an_order_from_before_nobody_knows_what_it_took_when(book: Book) -> None:
    book.outlets(outlet(WOO, compares=True))
    book.shown(WOO, DRESS, explained=5)
    with_document(book.tx, ("posted",))
    Desk(book.tx).look(asked_for(2, location="L1"), placed=-100)
    assert explained(book) == (5, "an order from before it was counted")


# -- what people do --------------------------------------------------------------------------------------------


def parts(tx: sqlite3.Connection) -> list[sqlite3.Row]:
    return acts.open_parts(tx, tx.execute("SELECT id FROM orders").fetchone()["id"], None)


def test_what_a_person_found_in_the_erp_is_booked_by_now(d: Desk) -> None:
    with_document(d.tx, ("in_doubt",))
    d.wants(2)
    (part,) = parts(d.tx)
    acts.say_booked(d.tx, part, "SO9", erp="bc", who="ops", now=at(30))
    assert [d.counted(as_of) for as_of in (30, 31)] == [2, 0]


def test_a_document_that_is_given_up_for_another_asks_for_nothing(d: Desk) -> None:
    with_document(d.tx, ("accepted",))
    d.wants(2)
    (part,) = parts(d.tx)
    acts.close_generation(d.tx, part, who="ops", now=at(30))
    assert d.rows() == {"known": 2}


def test_an_order_that_is_skipped_asks_for_nothing(d: Desk) -> None:
    d.wants(2)
    order_id = orders.record(d.tx, WOO, Facts(ORDER, channel_id="1"), Ready(parts=()), now=NOON)
    acts.skip(d.tx, order_id, who="ops", why="by hand", now=NOON)
    assert d.rows() == {}


# -- what has done its duty ------------------------------------------------------------------------------------


def test_a_row_is_settled_long_after_every_figure_contains_it(book: Book) -> None:
    d = Desk(book.tx)
    d.wants(1)
    d.sent(1)
    d.posted(line(1), by=10)
    assert keeping.settle(d.tx, before=at(10_000)) == 0, "nobody has read a figure"
    book.feed(floor=5)
    assert keeping.settle(d.tx, before=at(10_000)) == 0, "no figure contains it"
    book.feed(floor=15)
    assert keeping.settle(d.tx, before=at(9)) == 0, "it is too young"
    assert keeping.settle(d.tx, before=at(10_000)) == 1
    d.wants(1)
    assert d.rows() == {"posted": 1}, "asked for once, settled or not"


def test_forgotten_rows_come_back_from_the_documents_when_the_order_is_looked_at_again(book: Book) -> None:
    d = Desk(book.tx)
    with_document(d.tx, ("posted",))
    d.tx.execute("UPDATE orders SET state = 'booked', since = ?", (stamp(NOON),))
    d.wants(2)
    book.feed(floor=15)
    assert keeping.settle(d.tx, before=at(10_000)) == 1
    assert keeping.prune(d.tx, before=at(10_000)) == 1
    assert d.tx.execute("SELECT count(*) FROM stock_asked").fetchone()[0] == 0
    d.wants(2)
    assert d.rows() == {"posted": 2}


def test_an_order_is_forgotten_as_a_whole_or_not_at_all(book: Book) -> None:
    """Else what is left of it would look like too little, and be asked for again."""
    d = Desk(book.tx)
    with_document(d.tx, ("posted",))
    d.tx.execute("UPDATE orders SET state = 'booked', since = ?", (stamp(NOON),))
    d.wants(2)
    d.wants(3)
    book.feed(floor=15)
    keeping.settle(d.tx, before=at(10_000))
    assert keeping.prune(d.tx, before=at(10_000)) == 0
    assert d.rows() == {"posted": 2, "known": 1}
