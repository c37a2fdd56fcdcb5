"""The numbers a shop shows: inventory items, each with an ``available`` at every location where it is stocked.

Lowered by difference, raised by compare (contracts/shopify/NOTES.md 1.5). One call carries 250 rows of one location and
is taken whole or not at all: a row that is wrong is named by the path of its field, and the others were not tried. What
Shopify does not track, what is made of other goods, and what Supercycle manages is listed and never written.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.connectors.budget import Share
from bcbridge.connectors.shopify.client import Client, Data, OddAnswer, as_agreed
from bcbridge.connectors.shopify.settings import ShopifySettings
from bcbridge.model.ids import Ref
from bcbridge.model.stock import (
    RowAnswer,
    RowResult,
    ShelfItem,
    ShelfLocation,
    ShelfPage,
    ShelfRules,
    StockChange,
    StockWrite,
    WriteKind,
    Written,
)

ROWS_PER_CALL = 250
CALLS_AT_ONCE = 6
"""A call takes up to 0.8 s and ten points: as many at once as use up what the usual plan restores."""
COST_CEILING = 950
LOOK_BATCH = 100
LOCATIONS_PAGE = 50
MOST_LEVELS = 20
"""Locations of one item read with its page; an item at more is read on by itself."""
LEVELS_PAGE = 200
MOST_ACTIVATED = 25
"""Items that one write begins to stock where they were not."""
REASON = "correction"
SPACE = uuid.UUID("6f1d0b52-6b0e-4f1e-9d0a-6a1f2b7c9d11")
"""For keys that follow from a write's own."""

UNTRACKED = "Shopify does not track its quantity"
BUNDLE = "a bundle: Shopify counts its components"
CIRCULAR = "managed by Supercycle"
NOT_STOCKED = "not stocked at this location"
OTHER_CONTENT = "its key was used before, with other numbers"

RESULTS: Mapping[str, RowResult] = {
    "CHANGE_FROM_QUANTITY_STALE": RowResult.STALE,
    "COMPARE_QUANTITY_STALE": RowResult.STALE,
    "INVALID_INVENTORY_ITEM": RowResult.GONE,
    "INVALID_LOCATION": RowResult.GONE,
    "NON_MUTABLE_INVENTORY_ITEM": RowResult.UNMANAGED,
}
"""What a row's code says of it; any other is a refusal."""
AGAIN = frozenset({"IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "SERVICE_UNAVAILABLE", "ADJUST_QUANTITIES_FAILED"})
"""Nothing was done, and the same rows may be written under a new key."""
UNDER_WAY = "IDEMPOTENCY_CONCURRENT_REQUEST"
MISMATCH = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


class Stock:
    """``shopify.stock``: a Shelf."""

    rules = ShelfRules(compares=True, rows_per_call=ROWS_PER_CALL, calls_at_once=CALLS_AT_ONCE)

    def __init__(self, client: Client, settings: ShopifySettings) -> None:
        self._client = client
        self._circular = frozenset(settings.supercycle_product_ids)
        self._marks = {"supercycle": settings.supercycle, "products": settings.supercycle or bool(self._circular)}
        """What tells circular goods is asked for only where there can be any: each object costs a point."""

    async def ready(self) -> ShelfRules:
        """Nothing a merchant sets changes how Shopify counts."""
        return self.rules

    # -- reading -----------------------------------------------------------------------------------------------

    async def locations(self) -> list[ShelfLocation]:
        """Those in use; ``sells``: they fulfil orders of the online shop."""
        pages = self._client.slices("locations", {}, "locations", first=LOCATIONS_PAGE, share=Share.STOCK)
        with as_agreed("locations"):
            return [
                ShelfLocation(Ref(node["id"]), node["name"], bool(node["fulfillsOnlineOrders"]))
                async for found, _ in pages
                for node in found.nodes
                if node["isActive"]
            ]

    async def items(self) -> AsyncIterator[ShelfPage]:
        """Every level of every item."""
        levels = min(max(len(await self.locations()), 1), MOST_LEVELS)
        asked = {"levels": levels, **self._marks}
        first, share = page_size(levels), Share.BULK
        pages = self._client.slices("inventory_items", asked, "inventoryItems", first=first, share=share)
        async for found, reply in pages:
            items = [one for node in found.nodes for one in await self._at_all_levels(node)]
            yield ShelfPage(tuple(items), reply.asked)

    async def look(self, changes: Sequence[StockChange]) -> list[ShelfItem | None]:
        """A question per location and hundred items."""
        found: dict[tuple[Ref, Ref], ShelfItem] = {}
        for location in dict.fromkeys(one.location for one in changes):
            refs = list(dict.fromkeys(one.item for one in changes if one.location == location))
            for at in range(0, len(refs), LOOK_BATCH):
                found |= {(location, one.item): one for one in await self._at(location, refs[at : at + LOOK_BATCH])}
        return [found.get((one.location, one.item)) for one in changes]

    async def _at(self, location: Ref, refs: Sequence[Ref]) -> list[ShelfItem]:
        asked = {"ids": list(refs), "location": location, **self._marks}
        reply = await self._client.ask("stock_at", asked, share=Share.STOCK)
        with as_agreed("stock_at"):
            there = [node for node in reply.data["nodes"] if node and node.get("inventoryLevel")]
            return [self._item(node, location, node["inventoryLevel"]) for node in there]

    async def _at_all_levels(self, node: Data) -> list[ShelfItem]:
        with as_agreed("inventory_items"):
            levels, info = list(node["inventoryLevels"]["nodes"]), node["inventoryLevels"]["pageInfo"]
        if info["hasNextPage"]:
            levels += await self._more_levels(node["id"], info["endCursor"])
        with as_agreed("inventory_items"):
            return [self._item(node, Ref(level["location"]["id"]), level) for level in levels]

    async def _more_levels(self, item: str, after: str) -> list[Data]:
        path = ("inventoryItem", "inventoryLevels")
        pages = self._client.slices("item_levels", {"id": item}, *path, first=LEVELS_PAGE, after=after)
        return [level async for found, _ in pages for level in found.nodes]

    def _item(self, node: Data, location: Ref, level: Data) -> ShelfItem:
        variant, why = node["variant"], self._why_not(node)
        (available,) = level["quantities"]
        return ShelfItem(
            location=location,
            item=Ref(node["id"]),
            group=Ref(""),
            variant=Ref(variant["id"]),
            sku=(node["sku"] or "").strip(),
            barcode=variant["barcode"],
            title=variant["displayName"],
            shown=int(available["quantity"]),
            managed=not why,
            why=why,
        )

    def _why_not(self, node: Data) -> str:
        variant = node["variant"]
        if not node["tracked"]:
            return UNTRACKED
        if variant["requiresComponents"]:
            return BUNDLE
        return CIRCULAR if self._is_circular(variant.get("product")) else ""

    def _is_circular(self, product: Data | None) -> bool:
        if product is None:
            return False
        marked = ((product.get("metafield") or {}).get("value") or "").lower() == "true"
        return marked or product["id"].rpartition("/")[2] in self._circular

    # -- writing -----------------------------------------------------------------------------------------------

    def batches(self, changes: Sequence[StockChange]) -> list[list[StockChange]]:
        """Pure: per location, in their order; no item twice in one call, which Shopify would refuse."""
        open_: dict[Ref, _Batch] = {}
        made: list[_Batch] = []
        for one in changes:
            batch = open_.get(one.location)
            if batch is None or not batch.has_room_for(one):
                batch = open_[one.location] = _Batch()
                made.append(batch)
            batch.take(one)
        return [batch.rows for batch in made]

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        """One call. Where Shopify says that items are not stocked at the location, they are, and then once more."""
        said = await self._made(write, write.key)
        if not isinstance(said, Written) or not (bare := [*_not_stocked(write, said)]):
            return said
        for change in bare[:MOST_ACTIVATED]:
            await self._stocked(write, change)
        again = await self._made(write, derived(write.key, "stocked"))
        return Written(_explained(again.rows)) if isinstance(again, Written) else again

    async def _made(self, write: StockWrite, key: str) -> Written | Doubtful | NotSent:
        document, rows_field = DOCUMENTS[write.kind]
        payload = await self._client.change(document, {"input": rendered(write, rows_field), "key": key})
        if not isinstance(payload, dict):
            return payload
        try:
            with as_agreed(document):
                return answered(payload, rows_field, len(write.changes))
        except OddAnswer as odd:
            return Doubtful(str(odd))

    async def _stocked(self, write: StockWrite, change: StockChange) -> None:
        """Whatever comes of it, the write's second answer tells."""
        key = derived(write.key, f"{change.item} {change.location}")
        await self._client.change("activate_stock", {"item": change.item, "location": change.location, "key": key})


@dataclass(slots=True)
class _Batch:
    rows: list[StockChange] = field(default_factory=list)
    items: set[Ref] = field(default_factory=set)

    def has_room_for(self, change: StockChange) -> bool:
        return len(self.rows) < ROWS_PER_CALL and change.item not in self.items

    def take(self, change: StockChange) -> None:
        self.rows.append(change)
        self.items.add(change.item)


def page_size(levels: int) -> int:
    """Items a page, each with so many levels, that one question may ask for."""
    return min(250, COST_CEILING // (6 + 4 * levels))


# -- what is asked ---------------------------------------------------------------------------------------------

DOCUMENTS: Mapping[WriteKind, tuple[str, str]] = {
    WriteKind.ADJUST: ("adjust_stock", "changes"),
    WriteKind.COMPARE: ("set_stock", "quantities"),
    WriteKind.SET: ("set_stock", "quantities"),
}
"""The document that makes a write of this kind, and what its rows are called there."""


def derived(key: str, what: str) -> str:
    """A key that follows from another: the same however often the write is tried."""
    return str(uuid.uuid5(SPACE, f"{key} {what}"))


def rendered(write: StockWrite, rows_field: str) -> Data:
    """``changeFromQuantity`` is always there, null where whatever is there is to be changed."""
    about = {"name": "available", "reason": REASON}
    if write.run:
        about["referenceDocumentUri"] = f"gid://bcbridge/StockRun/{write.run}"
    return {**about, rows_field: [_row(write.kind, one) for one in write.changes]}


def _row(kind: WriteKind, change: StockChange) -> Data:
    place = {"inventoryItemId": change.item, "locationId": change.location}
    if kind is WriteKind.ADJUST:
        return {**place, "delta": change.difference, "changeFromQuantity": None}
    compared = change.was if kind is WriteKind.COMPARE else None
    return {**place, "quantity": change.number, "changeFromQuantity": compared}


# -- what is answered ------------------------------------------------------------------------------------------


def answered(payload: Data, rows_field: str, count: int) -> Written | Doubtful:
    """One answer for each row; every error is about one of them, or about the call."""
    errors = payload["userErrors"]
    if not errors:
        return Written((RowAnswer(RowResult.TAKEN),) * count)
    if payload["inventoryAdjustmentGroup"] is not None:
        return Doubtful("Shopify answered with a change and with errors")
    if any(one["code"] == UNDER_WAY for one in errors):
        return Doubtful("Shopify is still at work on the same call")
    by_row = {at: one for one in errors if (at := row_of(one, rows_field)) is not None and at < count}
    whole = next((one for one in errors if row_of(one, rows_field) is None), None)
    return Written(tuple(_row_answer(by_row.get(at), whole) for at in range(count)))


def row_of(error: Data, rows_field: str) -> int | None:
    """``["input", "quantities", "3", "changeFromQuantity"]`` is about row 3."""
    match error.get("field") or []:
        case ["input", str(named), index, *_] if named == rows_field and str(index).isdigit():
            return int(index)
    return None


def _row_answer(own: Data | None, whole: Data | None) -> RowAnswer:
    if own is not None:
        return RowAnswer(RESULTS.get(own["code"], RowResult.REFUSED), reason=_reason(own))
    if whole is None or whole["code"] in AGAIN:
        return RowAnswer(RowResult.UNTRIED, reason=_reason(whole) if whole else "")
    return RowAnswer(RowResult.REFUSED, reason=OTHER_CONTENT if whole["code"] == MISMATCH else _reason(whole))


def _reason(error: Data) -> str:
    return f"{error['code'] or 'refused'}: {error['message']}"[:200]


def _not_stocked(write: StockWrite, said: Written) -> Iterable[StockChange]:
    """Rows whose location Shopify does not find for their item."""
    rows = zip(write.changes, said.rows, strict=True)
    return [change for change, row in rows if row.reason.startswith("INVALID_LOCATION")]


def _explained(rows: Sequence[RowAnswer]) -> tuple[RowAnswer, ...]:
    """What could not be stocked there says so."""
    bare = RowAnswer(RowResult.GONE, reason=NOT_STOCKED)
    return tuple(bare if row.reason.startswith("INVALID_LOCATION") else row for row in rows)
