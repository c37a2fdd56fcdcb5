"""What the ERP sells, where it lies and how it travels: styles as a delta, warehouses and ship vias as full lists."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from bcbridge.connectors.base import HeadList, Page
from bcbridge.connectors.bluecherry import mapper, wire
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.bluecherry.walk import Mark, Row
from bcbridge.connectors.budget import Share
from bcbridge.errors import Malformed
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.documents import Cursor, Document
from bcbridge.model.ids import Noun, Ref

T = TypeVar("T")
Fields = Mapping[str, Any]

STYLES = Noun("styles")
WAREHOUSES = Noun("warehouses")
SHIP_VIAS = Noun("ship_vias")


def document(noun: Noun, row: Row, asked: datetime, clock: ErpClock) -> Document:
    """A row as it came. One without key or stamp keeps its bytes and will not read."""
    body = wire.dump(row.fields)
    ref = row.key or f"unreadable-{hashlib.sha256(body).hexdigest()[:12]}"
    return Document(noun, Ref(ref), clock.utc(row.stamp) if row.stamp else asked, asked, body)


def fields_of(document: Document) -> dict[str, Any]:
    """Raises Malformed."""
    try:
        fields = wire.parse(document.body)
    except wire.Unreadable as fault:
        raise Malformed(str(fault), where=f"{document.noun} {document.ref}") from None
    if "pkey" not in fields:
        raise Malformed("without a key", where=f"{document.noun} {document.ref}")
    return fields


@dataclass(slots=True)
class ChangedStyles:
    """The delta list of styles; its first load goes by page number and can be resumed at any page."""

    client: Client
    clock: ErpClock
    name: str = "updated"

    async def pages(self, since: Cursor) -> AsyncIterator[Page]:
        share = Share.NORMAL if Mark.of(since).high else Share.BULK
        async for stretch in self.client.walk("style", share=share).pages(Mark.of(since)):
            documents = tuple(document(STYLES, row, stretch.asked, self.clock) for row in stretch.rows)
            yield Page((), documents, stretch.mark.cursor())


class Styles:
    """Styles, each a document with all its colours and sizes: ``CatalogSku`` by UPC, parts kept apart."""

    def __init__(self, client: Client, settings: BlueCherrySettings) -> None:
        self.noun = STYLES
        self._client = client
        self._clock = settings.clock
        self._profile = settings.profile
        self._changed = ChangedStyles(client, settings.clock)
        self.lists: Sequence[HeadList] = (self._changed,)

    def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        """All styles: they carry no date of creation."""
        return self._changed.pages("")

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """One call each, by ``pkey``."""
        found: list[Document] = []
        for ref in dict.fromkeys(refs):
            said = await self._client.style(ref)
            found += [document(STYLES, row, said.asked, self._clock) for row in said.rows]
        return found

    def read(self, document: Document) -> tuple[CatalogSku, ...]:
        fields = fields_of(document)
        if not fields.get("last_mod"):
            raise Malformed("without last_mod", where=f"style {document.ref}")
        return mapper.skus(fields, self._profile)


@dataclass(slots=True)
class WholeList:
    """All rows of a small master, each time from the first."""

    client: Client
    clock: ErpClock
    noun: Noun
    resource: str
    wanted: Callable[[Fields], bool]
    name: str = "all"

    async def pages(self, since: Cursor) -> AsyncIterator[Page]:
        async for stretch in self.client.walk_masters(self.resource).pages(Mark()):
            rows = [row for row in stretch.rows if self.wanted(row.fields)]
            yield Page((), tuple(document(self.noun, row, stretch.asked, self.clock) for row in rows), "")


class Master(Generic[T]):
    """One small master, a document per row."""

    def __init__(
        self,
        client: Client,
        settings: BlueCherrySettings,
        *,
        noun: Noun,
        resource: str,
        record: Callable[[Fields], T | None],
    ) -> None:
        self.noun = noun
        self._record = record
        self._clock = settings.clock
        self._all = WholeList(client, settings.clock, noun, resource, self._is_wanted)
        self.lists: Sequence[HeadList] = (self._all,)

    def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        """All rows: they carry no date of creation."""
        return self._all.pages("")

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """By reading the whole list: it is short, and no filter by key is documented for it."""
        wanted = set(refs)
        return [one async for page in self._all.pages("") for one in page.documents if one.ref in wanted]

    def read(self, document: Document) -> T:
        record = self._record(fields_of(document))
        if record is None:
            raise Malformed("not one of these", where=f"{document.noun} {document.ref}")
        return record

    def _is_wanted(self, fields: Fields) -> bool:
        """Rows that cannot be read are let through, to be named where they are read."""
        try:
            return self._record(fields) is not None
        except Malformed:
            return True


def warehouses(client: Client, settings: BlueCherrySettings) -> Master[Warehouse]:
    """Places that hold stock, without POE, FOB and blank (NOTES.md 2.4)."""

    def record(fields: Fields) -> Warehouse | None:
        return mapper.warehouse(fields, settings.profile)

    return Master(client, settings, noun=WAREHOUSES, resource="location", record=record)


def ship_vias(client: Client, settings: BlueCherrySettings) -> Master[ShipVia]:
    return Master(client, settings, noun=SHIP_VIAS, resource="shipper", record=mapper.ship_via)
