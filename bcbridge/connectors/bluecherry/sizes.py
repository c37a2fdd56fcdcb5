"""Which UPC a size has, for rows of buckets, which name none: from the styles (NOTES.md 2.1, 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bcbridge.connectors.bluecherry import mapper
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.grids import Parts
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.bluecherry.walk import Mark
from bcbridge.connectors.budget import Share
from bcbridge.errors import Malformed
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Upc

KEPT = timedelta(hours=1)
"""A style that is new has figures so much later at most."""


class Sizes:
    """Read whole, and again when it is old; forgotten by a restart."""

    def __init__(self, client: Client, settings: BlueCherrySettings) -> None:
        self._client = client
        self._profile = settings.profile
        self._upcs: Mapping[Parts, Upc] = {}
        self._read: datetime | None = None

    async def upcs(self) -> Mapping[Parts, Upc]:
        now = self._client.now()
        if self._read is None or now - self._read >= KEPT:
            self._upcs = await self._all()
            self._read = now
        return self._upcs

    async def _all(self) -> Mapping[Parts, Upc]:
        """By parts; those that stand for two UPCs stand for none."""
        found: dict[Parts, Upc] = {}
        doubled: set[Parts] = set()
        async for stretch in self._client.walk("style", share=Share.BULK).pages(Mark()):
            for row in stretch.rows:
                for sku in self._skus(row.fields):
                    parts = _parts(sku)
                    if found.setdefault(parts, sku.upc) != sku.upc:
                        doubled.add(parts)
        return {parts: upc for parts, upc in found.items() if parts not in doubled}

    def _skus(self, fields: mapper.Row) -> tuple[CatalogSku, ...]:
        """A style that cannot be read is named where styles are read; its sizes have no UPC here."""
        try:
            return mapper.skus(fields, self._profile)
        except Malformed:
            return ()


def _parts(sku: CatalogSku) -> Parts:
    its = sku.parts
    return its.division, its.style, its.color_code, its.lbl_code, its.dimension, its.size_desc
