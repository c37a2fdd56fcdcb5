"""Small books of stock, written row by row: the outside of the computing, for its tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bcbridge.model.ids import Ref
from bcbridge.model.stock import Basis, NumberRule, Outlet, ShelfRules
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import rules

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SHOPIFY, WOO, BIG = "shopify_us", "woocommerce_eu", "bigcommerce_us"
NO_RULE = NumberRule()


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def outlet(
    channel: str,
    *warehouses: str,
    location: str = "L1",
    basis: Basis = Basis.OTS,
    rule: NumberRule = NO_RULE,
    reserves: bool = False,
    compares: bool = False,
    weight: int = 1,
    hides_inactive: bool = True,
) -> Outlet:
    return Outlet(
        channel=channel,
        location=Ref(location),
        erp="bc",
        warehouses=warehouses or ("NJ1",),
        basis=basis,
        shelf=ShelfRules(compares=compares, reserves=reserves),
        rule=rule,
        weight=weight,
        hides_inactive=hides_inactive,
    )


class Book:
    """What the store holds; each act is one row."""

    def __init__(self, tx: sqlite3.Connection) -> None:
        self.tx = tx

    def outlets(self, *outlets: Outlet) -> None:
        rules.keep_outlets(self.tx, outlets)

    def rule(self, sku: str, channel: str, rule: NumberRule, location: str = "L1") -> None:
        rules.keep_rules(self.tx, [sku], {(channel, location, sku): rule}, channels=[channel])

    def figure(
        self,
        sku: str,
        ots: int,
        *,
        as_of: float = 0,
        warehouse: str = "NJ1",
        qoh_minus_pick: int = 0,
        ots_wip: int = 0,
    ) -> None:
        self.tx.execute(
            "INSERT OR REPLACE INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of,"
            " evidence, read_at) VALUES (?, 'bc', ?, ?, ?, ?, '{}', ?, 'export_written', ?)",
            (sku, warehouse, ots, qoh_minus_pick, ots_wip, stamp(at(as_of)), stamp(at(as_of))),
        )

    def feed(self, *, floor: float = -1000, whole_pull: bool = True) -> None:
        self.tx.execute(
            "INSERT OR REPLACE INTO stock_feeds (erp, floor, pull_ended) VALUES ('bc', ?, ?)",
            (stamp(at(floor)), stamp(at(floor)) if whole_pull else None),
        )

    def demand(
        self,
        channel: str,
        sku: str,
        qty: int,
        *,
        state: str = "known",
        posted_by: float | None = None,
        picked_by: float | None = None,
        warehouse: str = "NJ1",
        seen: float = -600,
        settled: bool = False,
    ) -> None:
        self.tx.execute(
            "INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, posted_by, picked_by,"
            " settled) VALUES (?, '1001', ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                channel,
                sku,
                warehouse,
                qty,
                state,
                stamp(at(seen)),
                None if posted_by is None else stamp(at(posted_by)),
                None if picked_by is None else stamp(at(picked_by)),
                int(settled),
            ),
        )

    def asked(self, channel: str, sku: str, taken: int, *, ref: str = "1001", closed: bool = False) -> None:
        self.tx.execute(
            "INSERT INTO stock_asked VALUES (?, ?, ?, 'L1', 'NJ1', ?, ?, ?, ?, ?)",
            (channel, ref, sku, taken, taken, stamp(NOON), stamp(NOON), int(closed)),
        )

    def shown(
        self,
        channel: str,
        sku: str,
        explained: int | None,
        *,
        dirty: str = "",
        state: str = "kept",
        location: str = "L1",
        writing: int | None = None,
        answered: float | None = None,
    ) -> None:
        self.tx.execute(
            "INSERT OR REPLACE INTO stock_shown (sku, channel, location, item, state, explained, dirty, writing,"
            " answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sku,
                channel,
                location,
                f"item/{sku}",
                state,
                explained,
                dirty,
                writing,
                None if answered is None else stamp(at(answered)),
            ),
        )

    def write(
        self,
        channel: str,
        sku: str,
        number: int,
        *,
        explained: int | None,
        kind: str = "set",
        state: str = "under_way",
        made: float = 0,
        ended: float | None = None,
        location: str = "L1",
    ) -> int:
        """A call that told this one number; its id."""
        made_at, ended_at = stamp(at(made)), None if ended is None else stamp(at(ended))
        id_ = self.tx.execute(
            "INSERT INTO stock_writes (key, channel, kind, state, made_at, ended_at)"
            " VALUES (hex(randomblob(8)), ?, ?, ?, ?, ?) RETURNING id",
            (channel, kind, state, made_at, ended_at),
        ).fetchone()[0]
        self.tx.execute(
            "INSERT INTO stock_write_rows (write_id, seq, sku, location, item, number, was, explained, figure,"
            " figure_as_of, n, buffer) VALUES (?, 0, ?, ?, ?, ?, ?, ?, 0, '', 0, 0)",
            (id_, sku, location, f"item/{sku}", number, explained, explained),
        )
        return int(id_)

    def inactive(self, sku: str, *, active: int = 0, ref: str = "") -> None:
        self.tx.execute(
            "INSERT INTO skus (connector, ref, style, upc, ean, division, style_code, color_code, lbl_code, dimension,"
            " size_desc, season, active, price, destinations)"
            " VALUES ('bc', ?, '1', ?, '', 'WOM', '04001', 'BLK', '', '', 'M', '', ?, NULL, '[]')",
            (ref or f"ref/{sku}", sku, active),
        )

    def pack(self, sku: str, parts: Mapping[str, int]) -> None:
        self.tx.executemany("INSERT INTO stock_packs VALUES (?, ?, ?)", [(sku, one, per) for one, per in parts.items()])

    def lag(self, channel: str, seconds: float) -> None:
        rules.keep_lag(self.tx, channel, seconds)

    def known_upto(self, channel: str, minutes: float) -> None:
        self.tx.execute("UPDATE stock_outlets SET known_upto = ? WHERE channel = ?", (stamp(at(minutes)), channel))

    def row(self, channel: str, sku: str, location: str = "L1") -> sqlite3.Row:
        found: sqlite3.Row = self.tx.execute(
            "SELECT * FROM stock_shown WHERE channel = ? AND sku = ? AND location = ?", (channel, sku, location)
        ).fetchone()
        return found

    def target(self, channel: str, sku: str, location: str = "L1") -> int | None:
        found: int | None = self.row(channel, sku, location)["target"]
        return found
