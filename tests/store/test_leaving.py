"""What of each booked document is still to leave: written by the rows themselves, from booking to the last shipment."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bcbridge.model.ids import Reference, Upc
from bcbridge.store import dispatching
from bcbridge.store.stamps import stamp
from tests.flows.at_hand import DRESS, SHIRT, from_, line
from tests.flows.dispatches.test_owed import shipment
from tests.flows.scene import Scene, scene
from tests.runtime.kit import CHANNEL, ERP


async def documents(s: Scene) -> list[tuple[str, str, int, int]]:
    rows = await s.b.store.read.rows("SELECT reference, warehouse, pieces, shipped FROM leaving ORDER BY reference")
    return [(row["reference"], row["warehouse"], row["pieces"], row["shipped"]) for row in rows]


async def test_a_document_is_to_leave_from_where_most_of_it_is_once_it_is_booked(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        both = (from_("New Jersey DC", 1), from_("California DC", 2))
        lines = (line(DRESS, "50.00", 3, assignments=both), line(SHIRT, "20.00", 1))
        await s.look(s.shop.put(s.sold(said={"lines": lines})))
        assert await documents(s) == [], "accepted is not booked"
        s.b.erp.post()
        await s.b.writer.confirm_posted()
        assert await documents(s) == [("SU5001P1G1", "NJ1", 1, 0), ("SU5001P2G1", "CA1", 3, 0)]
        row = await s.b.store.read.row("SELECT connector, posted_at FROM leaving")
        assert row is not None
        assert (row["connector"], row["posted_at"]) == (CHANNEL, stamp(s.b.clock()))


async def test_shipments_count_for_their_own_document_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.book(lines=(line(DRESS, "50.00", 3), line(SHIRT, "20.00", 1)))
        (first, second) = [reference for reference, *_ in await documents(s)]
        goods = dict.fromkeys((first, second), Upc(DRESS))
        for number, reference, pieces in (("I1", second, 2), ("I2", first, 1), ("I3", second, -1)):
            one = shipment(number, (goods[reference], pieces), reference=Reference(reference))
            await s.b.store.write(partial(dispatching.keep, erp=ERP, shipments=[one], now=s.b.clock()))
        assert [(reference, shipped) for reference, _, _, shipped in await documents(s)] == [(first, 1), (second, 1)]
