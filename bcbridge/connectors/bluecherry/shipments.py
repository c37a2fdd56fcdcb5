"""Shipments: the ERP's invoices, as what left a warehouse; by what changed, and by reference (NOTES.md 4.2, 7.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bcbridge.connectors.base import ShipmentPage
from bcbridge.connectors.bluecherry import mapper
from bcbridge.connectors.bluecherry.client import Client, read_each
from bcbridge.connectors.bluecherry.settings import INVOICE, BlueCherrySettings
from bcbridge.connectors.bluecherry.walk import Mark, Row
from bcbridge.connectors.budget import Share
from bcbridge.errors import Malformed, Retry
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import Reference
from bcbridge.model.shipment import Shipment


class Shipments:
    """Implements ``ShipmentFeed`` (connectors/base.py)."""

    def __init__(self, client: Client, settings: BlueCherrySettings) -> None:
        self._client = client
        self._settings = settings

    async def changed(self, since: Cursor) -> AsyncIterator[ShipmentPage]:
        mark = Mark.of(since) if since else Mark()
        if not mark.high and mark.place is None:
            mark = Mark(self._client.days_ago(self._settings.recent_days).isoformat())
        async for stretch in self._client.walk(INVOICE, share=Share.READ_BACK).pages(mark):
            shipments, odd = self._read(stretch.rows)
            yield ShipmentPage(shipments, stretch.mark.cursor(), odd)

    async def of(self, reference: Reference) -> tuple[Shipment, ...]:
        said = await self._client.invoices_with(reference)
        strangers = [row for row in said.rows if str(row.fields.get("po_num", "")).rstrip() != reference]
        if strangers:
            raise Retry("shipments of other orders come with one reference: the filter is not exact")
        shipments, odd = self._read(said.rows)
        if odd:
            raise Malformed(next(iter(odd.values())), where=f"shipments of {reference}")
        return shipments

    def _read(self, rows: Sequence[Row]) -> tuple[tuple[Shipment, ...], dict[str, str]]:
        return read_each(rows, lambda row: mapper.shipment(row.fields), "shipments")
