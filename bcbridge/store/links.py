"""What each variant of a channel was sold as: learned from orders that were found to be right."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson

from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Link
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp

_FIRST = """
INSERT INTO sku_links (connector, variant, upc, first_seen)
SELECT :connector, value ->> 0, value ->> 1, :now FROM json_each(:links) WHERE true
ON CONFLICT (connector, variant) DO NOTHING
"""
_LAST = """
INSERT INTO sku_links (connector, variant, upc, first_seen)
SELECT :connector, value ->> 0, value ->> 1, :now FROM json_each(:links) WHERE true
ON CONFLICT (connector, variant) DO UPDATE SET upc = excluded.upc, first_seen = excluded.first_seen
WHERE upc <> excluded.upc
"""


def learn(tx: sqlite3.Connection, connector: str, links: Sequence[Link], *, now: datetime) -> None:
    """The first order of a variant decides. Where today's SKU is told, another UPC than the link's gets this far by a
    person's word, or by the SKU that was copied at the sale: it replaces the link."""
    for sql, live in ((_FIRST, False), (_LAST, True)):
        if chosen := [(link.variant, link.upc) for link in links if link.live is live]:
            tx.execute(sql, {"connector": connector, "links": orjson.dumps(chosen).decode(), "now": stamp(now)})


_LINKS = "SELECT variant, upc FROM sku_links WHERE connector = ? AND variant IN (SELECT value FROM json_each(?))"


async def links(store: Store, connector: str, variants: Iterable[Ref]) -> Mapping[Ref, str]:
    """The UPC of each variant that was sold before; the others are absent."""
    rows = await store.read.rows(_LINKS, (connector, orjson.dumps(sorted(set(variants))).decode()))
    return {Ref(row["variant"]): row["upc"] for row in rows}
