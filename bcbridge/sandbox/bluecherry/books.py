"""What the ERP remembers: its tables, and the nouns ``/_sandbox/books`` shows.

A record is kept as the JSON the API answers with: ``header`` (without children) and ``children`` (the
collections by name). What is filtered by often is a virtual column over the header, so the header is the
only truth. Simulated columns are the API's names, which are the ERP's column names (NOTES 1, short answer).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bcbridge.sandbox.base import dump
from bcbridge.sandbox.bluecherry import ledger

Row = dict[str, Any]

_RECORDS = """
CREATE TABLE {table} (
    pkey INTEGER PRIMARY KEY,
    header TEXT NOT NULL,
    children TEXT NOT NULL DEFAULT '{{}}',
    last_mod TEXT AS (json_extract(header, '$.last_mod')) VIRTUAL
);
CREATE INDEX {table}_by_last_mod ON {table} (last_mod, pkey);
"""

_SUMS = ", ".join(f"'{name}', \"{name}\"" for name in ledger.TYPES)
_STOCK = f"""
CREATE VIEW stock AS
SELECT i.pkey, i.upc, i.location, i.last_mod, s.style, '{{}}' AS children, json_object(
    'pkey', i.pkey, 'division', s.division, 'style', s.style, 'color_code', s.color_code,
    'lbl_code', s.lbl_code, 'dimension', s.dimension, 'size_desc', s.size_desc, 'upc', i.upc,
    'location', i.location, 'lot', i.lot, {_SUMS},
    'qoh', {ledger.formula(ledger.QOH)},
    'pick_qty', pk, 'open_qty', op, 'reserved_qty', rs, 'wip_qty', wp,
    'ots', {ledger.formula(ledger.OTS)},
    'ots_wip', {ledger.formula(ledger.OTS_WIP)},
    'last_mod', i.last_mod) AS header
FROM inventory AS i JOIN skus AS s ON s.upc = i.upc;
"""  # noqa: S608 - our own names

SCHEMA = (
    "".join(_RECORDS.format(table=table) for table in ("styles", "locations", "shippers", "picks"))
    + """
CREATE INDEX picks_without_invoice ON picks (json_extract(header, '$.ord_num'))
    WHERE json_extract(header, '$.inv_num') = '';
CREATE TABLE invoices (
    pkey INTEGER PRIMARY KEY,
    header TEXT NOT NULL,
    children TEXT NOT NULL,
    last_mod TEXT AS (json_extract(header, '$.last_mod')) VIRTUAL,
    inv_num TEXT AS (json_extract(header, '$.inv_num')) VIRTUAL,
    ord_num TEXT AS (json_extract(header, '$.ord_num')) VIRTUAL,
    po_num TEXT AS (json_extract(header, '$.po_num')) VIRTUAL
);
CREATE INDEX invoices_by_last_mod ON invoices (last_mod, pkey);
CREATE INDEX invoices_by_inv_num ON invoices (inv_num);
CREATE INDEX invoices_by_ord_num ON invoices (ord_num);
CREATE INDEX invoices_by_po_num ON invoices (po_num);
CREATE TABLE orders (
    pkey INTEGER PRIMARY KEY,
    header TEXT NOT NULL,
    children TEXT NOT NULL,
    last_mod TEXT AS (json_extract(header, '$.last_mod')) VIRTUAL,
    po_num TEXT AS (json_extract(header, '$.po_num')) VIRTUAL,
    ord_num TEXT AS (json_extract(header, '$.ord_num')) VIRTUAL,
    altpo TEXT AS (json_extract(header, '$.altpo')) VIRTUAL,
    customer TEXT AS (json_extract(header, '$.customer')) VIRTUAL
);
CREATE INDEX orders_by_last_mod ON orders (last_mod, pkey);
CREATE INDEX orders_by_po_num ON orders (po_num, customer);
CREATE INDEX orders_by_ord_num ON orders (ord_num);
CREATE INDEX orders_by_altpo ON orders (altpo);
CREATE TABLE progress (
    pkey INTEGER PRIMARY KEY,
    open_qty INTEGER NOT NULL,
    pick_qty INTEGER NOT NULL,
    ord_status TEXT NOT NULL
);
CREATE INDEX progress_open ON progress (pkey) WHERE open_qty > 0;
CREATE INDEX progress_picked ON progress (pkey) WHERE pick_qty > 0;
CREATE TABLE inbound (
    id INTEGER PRIMARY KEY,
    pkey INTEGER NOT NULL,
    accepted_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'accepted' CHECK (status IN ('accepted', 'posted', 'refused')),
    reason TEXT NOT NULL DEFAULT '',
    po_num TEXT NOT NULL,
    customer TEXT NOT NULL,
    ord_num TEXT,
    body TEXT NOT NULL
);
CREATE INDEX inbound_waiting ON inbound (id) WHERE status = 'accepted';
CREATE INDEX inbound_by_po_num ON inbound (po_num, customer);
CREATE INDEX inbound_by_pkey ON inbound (pkey);
CREATE TABLE skus (
    upc TEXT PRIMARY KEY,
    style_pkey INTEGER NOT NULL,
    division TEXT NOT NULL,
    style TEXT NOT NULL,
    color_code TEXT NOT NULL,
    lbl_code TEXT NOT NULL,
    dimension TEXT NOT NULL,
    size_desc TEXT NOT NULL,
    active_ok TEXT NOT NULL DEFAULT 'Y'
) WITHOUT ROWID;
CREATE INDEX skus_by_parts ON skus (style, color_code, size_desc);
CREATE TABLE customers (customer TEXT PRIMARY KEY, name TEXT NOT NULL, curr_code TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    count INTEGER NOT NULL,
    UNIQUE (path, status)
);
"""
    + ledger.SCHEMA
    + _STOCK
)


def whole(header: str, children: str) -> str:
    """The record with its children: two JSON objects made one, without parsing either."""
    return header if children == "{}" else f"{header[:-1]},{children[1:]}"


_WHOLE = "iif(children = '{}', header, substr(header, 1, length(header) - 1) || ',' || substr(children, 2))"


def _all_of(table: str) -> str:
    return f"SELECT pkey, {_WHOLE} FROM {table} WHERE pkey > :after ORDER BY pkey LIMIT :limit"  # noqa: S608


_INBOUND = """
SELECT id, json_object('pkey', pkey, 'accepted_at', accepted_at, 'status', status, 'reason', reason,
                       'po_num', po_num, 'customer', customer, 'ord_num', ord_num, 'body', json(body))
FROM inbound WHERE id > :after ORDER BY id LIMIT :limit"""

_CALLS = """
SELECT id, json_object('path', path, 'status', status, 'count', count)
FROM calls WHERE id > :after ORDER BY id LIMIT :limit"""

NOUNS = {
    "orders": _all_of("orders"),
    "inbound": _INBOUND,
    **{table: _all_of(table) for table in ("styles", "locations", "shippers", "picks", "invoices")},
    "inventory": _all_of("stock"),
    **ledger.NOUNS,
    "calls": _CALLS,
}


def text(data: object) -> str:
    return dump(data).decode()


def put(connection: sqlite3.Connection, table: str, header: Row, children: Mapping[str, object] | None = None) -> None:
    """Writes one record, whose ``pkey`` is in its header."""
    connection.execute(
        f"INSERT OR REPLACE INTO {table} (pkey, header, children) VALUES (?, ?, ?)",  # noqa: S608 - our own names
        (header["pkey"], text(header), text(children or {})),
    )


def next_pkey(connection: sqlite3.Connection, table: str, first: int) -> int:
    (most,) = connection.execute(f"SELECT max(pkey) FROM {table}").fetchone()  # noqa: S608 - our own names
    return first if most is None else int(most) + 1


def erp_stamp(moment: datetime, zone: str) -> str:
    """The ERP's way to write a moment: local, whole seconds, no zone (NOTES 1.1)."""
    return moment.astimezone(UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
