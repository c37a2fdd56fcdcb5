"""Which evidence this ERP's figures allow: watched for a while, and said in words (for ``doctor``; reads only).

Nobody can see from a stamp what it stands for. What can be seen: whether rows carry one, whether all share it, what
happens to it when a figure moves, and whether the filter by it is kept. Each rules some evidence out; what is left over
is a person's to confirm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.bluecherry.client import Client, Leaf
from bcbridge.connectors.bluecherry.grids import Grids
from bcbridge.connectors.bluecherry.inventory import Inventory, Reading
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings, Profile
from bcbridge.connectors.bluecherry.sizes import Sizes
from bcbridge.connectors.bluecherry.walk import FUTURE
from bcbridge.connectors.budget import Share
from bcbridge.errors import Malformed
from bcbridge.model.stock import Evidence, Spot, StockRow

SURVEYED = 5
"""Pages looked through for what is left out and what cannot be read."""
LOOKS = 3
"""At the first page, spread over ``profile.stock_watch_seconds``."""
NAMED = 5
TOPIC = "stock"

Pause = Callable[[float], Awaitable[None]]
Read = Callable[[Leaf], Reading]
STAMPED = {Evidence.ROW_LEDGER, Evidence.EXPORT_WRITTEN}


@dataclass(slots=True)
class Seen:
    """What the looks have shown of the rows that stood on the first page each time."""

    rows: dict[tuple[str, Spot], StockRow] = field(default_factory=dict)
    moved_with_stamp: int = 0
    moved_alone: int = 0
    stamp_alone: int = 0

    def look(self, rows: Sequence[StockRow]) -> None:
        for row in rows:
            place = (row.upc, row.spot)
            before = self.rows.get(place, row)
            figure, stamp = before.numbers != row.numbers, before.stamp != row.stamp
            self.moved_with_stamp += figure and stamp
            self.moved_alone += figure and not stamp
            self.stamp_alone += stamp and not figure
            self.rows[place] = row

    @property
    def moved(self) -> int:
        return self.moved_with_stamp + self.moved_alone


async def figures(client: Client, settings: BlueCherrySettings, *, pause: Pause) -> AsyncIterator[Finding]:
    """Everything that can be said about the inventory resource; no longer than its bounds allow."""
    inventory = Inventory(settings.profile, settings.clock)
    if settings.profile.stock_rows == "buckets":
        inventory.upcs = await Sizes(client, settings).upcs()
    read = _reader(inventory, client, settings.profile)
    leaves = [leaf async for leaf in _survey(client)]
    rows = [row for leaf in leaves for row in leaf.rows]
    if not rows:
        fix = "check profile.paths.inventory: without figures no number is published"
        yield Finding(Severity.WARNING, TOPIC, "the ERP gives no figures at all", fix)
        return
    readings = [read(leaf) for leaf in leaves]
    for finding in (*_left_out(inventory, rows), *_readable(readings)):
        yield finding
    seen = await _watched(client, read, settings.profile.stock_watch_seconds, pause)
    for finding in evidence(seen, settings):
        yield finding
    for finding in _export(inventory, leaves[0].beside, readings, settings.profile.stock_export_field):
        yield finding
    stamps = [row.stamp for row in seen.rows.values() if row.stamp]
    if stamps:
        yield _clock(max(stamps), settings, client.now())
        yield await _filter(client, inventory, settings, max(stamps))


async def _survey(client: Client) -> AsyncIterator[Leaf]:
    for number in range(1, SURVEYED + 1):
        leaf = await client.inventory(None, number, share=Share.BULK)
        yield leaf
        if client.ends_inventory(leaf):
            return


async def _watched(client: Client, read: Read, seconds: float, pause: Pause) -> Seen:
    seen = Seen()
    for number in range(LOOKS):
        if number:
            await pause(seconds / (LOOKS - 1))
        leaf = await client.inventory(None, 1, share=Share.NORMAL)
        seen.look(read(leaf).rows)
    return seen


def _reader(inventory: Inventory, client: Client, profile: Profile) -> Read:
    """A page by itself; of a grid that goes on in the next page, what this one shows."""

    def by_type(leaf: Leaf) -> Reading:
        grids = Grids(profile)
        grids.note([row for row in leaf.rows if isinstance(row, dict)], 1)
        return inventory.read_sizes(grids.sizes(inventory.upcs, steady=True), leaf.beside, latest=client.now() + FUTURE)

    def plainly(leaf: Leaf) -> Reading:
        return inventory.read(leaf.rows, leaf.beside, latest=client.now() + FUTURE)

    return by_type if profile.by_type else plainly


# -- what is there ---------------------------------------------------------------------------------------------


def _left_out(inventory: Inventory, rows: Sequence[Any]) -> Iterator[Finding]:
    why: Counter[str] = Counter()
    for row in rows:
        try:
            why[inventory.left_out(row)] += 1
        except Malformed:
            continue  # said by _readable
    del why[""]
    if why:
        named = ", ".join(f"{reason} ({many})" for reason, many in why.most_common(NAMED))
        yield Finding(Severity.INFO, TOPIC, f"left out of {len(rows)} rows: {named}", "is none of it for sale?")


def _readable(readings: Sequence[Reading]) -> Iterator[Finding]:
    odd = [text for one in readings for text in one.odd]
    if odd:
        fix = "name what this BlueCherry calls the fields in profile.aliases.inventory"
        yield Finding(Severity.ERROR, TOPIC, f"{len(odd)} figures cannot be read: {odd[0]}", fix)
    rows = [row for one in readings for row in one.rows]
    if not rows:
        text = "no row is stock that can be sold"
        yield Finding(Severity.ERROR, TOPIC, text, "check profile.stock_locations and what is left out")
        return
    places = ", ".join(sorted({row.warehouse for row in rows})[:NAMED])
    whose = "reckoned from their components" if any(row.parts for row in rows) else "the ERP's own numbers"
    yield Finding(Severity.INFO, TOPIC, f"{len(rows)} figures looked at, in {places}: {whose}")


# -- what dates them -------------------------------------------------------------------------------------------


def evidence(seen: Seen, settings: BlueCherrySettings) -> Iterator[Finding]:
    """Pure: what the stamps of these rows allow, against what the profile says."""
    kinds = set(settings.profile.stock_evidence)
    stamps = [row.stamp for row in seen.rows.values() if row.stamp]
    bare = len(seen.rows) - len(stamps)
    if bare and kinds & STAMPED:
        text = f"{bare} of {len(seen.rows)} rows carry no last_mod that can be read"
        yield _wrong(text, 'stock_evidence = ["unchanged", "max_age"] needs none, or an echo SKU ("echo")')
    elif bare:
        yield _said(f"{bare} of {len(seen.rows)} rows carry no last_mod: figures are dated without")
    if len(stamps) > 1 and len(set(stamps)) == 1:
        yield _shared(kinds)
    if seen.moved_alone and kinds & STAMPED:
        text = f"{seen.moved_alone} figures moved while their last_mod stood still: it does not date them"
        yield _wrong(text, 'take "row_ledger" and "export_written" out of profile.stock_evidence')
    elif seen.moved_with_stamp and not seen.stamp_alone:
        text = f"{seen.moved_with_stamp} figures moved, each with its last_mod, and no other last_mod did"
        yield _said(text, 'if an order and its row are stamped in one booking, "row_ledger" holds')
    elif seen.stamp_alone and Evidence.ROW_LEDGER in kinds:
        text = f"{seen.stamp_alone} rows had a new last_mod and the same figure: it may be that of an export"
        yield _wrong(text, 'unless each had come and gone, "export_written" is what holds')
    if not seen.moved:
        yield _said("no figure moved while it was watched", "run doctor again while orders are booked")


def _shared(kinds: set[Evidence]) -> Finding:
    text = "all rows share one last_mod: that of an export"
    if Evidence.ROW_LEDGER in kinds or Evidence.LIVE in kinds:
        return _wrong(text, 'stock_evidence = ["export_written"], with stock_build_seconds')
    fix = 'if it is the start of the build, stock_export_field = "last_mod" and "export_start" release sooner'
    return _said(text, fix)


def _export(
    inventory: Inventory, beside: Mapping[str, Any], readings: Sequence[Reading], name: str
) -> Iterator[Finding]:
    if not name:
        found = sorted(_moments(inventory, beside))
        if found:
            text = f"beside the rows stands what may be the stamp of the export: {', '.join(found)}"
            yield _said(text, "profile.stock_export_field names it")
        return
    rows = [row for reading in readings for row in reading.rows]
    stamps = {row.export for row in rows if row.export}
    if bare := sum(row.export is None for row in rows):
        yield _wrong(f"{bare} of {len(rows)} rows come without {name}", "check profile.stock_export_field")
    if stamps:
        yield _said(f"{name} names {len(stamps)} publication{'s' * (len(stamps) > 1)}")


def _moments(inventory: Inventory, beside: Mapping[str, Any]) -> Iterator[str]:
    return (name for name, value in beside.items() if isinstance(value, str) and inventory.moment(value))


def _clock(newest: datetime, settings: BlueCherrySettings, now: datetime) -> Finding:
    ahead = newest - now
    if ahead > timedelta(seconds=settings.profile.clock_skew_seconds):
        text = f"the newest figure is stamped {ahead.total_seconds():.0f} s ahead of our clock"
        return _wrong(text, "set erp_timezone, or profile.clock_skew_seconds to what the clocks differ by")
    return _said(f"the newest figure looked at is stamped {-ahead.total_seconds() / 60:.0f} min ago")


async def _filter(client: Client, inventory: Inventory, settings: BlueCherrySettings, newest: datetime) -> Finding:
    """Whether only later rows come when later ones are asked for."""
    after = settings.clock.local(newest)
    leaf = await client.inventory(after, 1, share=Share.NORMAL)
    stamps = [inventory.stamp(row) for row in leaf.rows if isinstance(row, dict)]
    if any(stamp is None or stamp < newest for stamp in stamps):
        text = "asked for later figures, the ERP gives earlier ones: its filter by last_mod is not kept"
        return _wrong(text, "check profile.aliases.inventory.last_mod and profile.filter_date_format")
    return _said("asked for later figures, the ERP gives no earlier ones")


def _said(text: str, fix: str = "") -> Finding:
    return Finding(Severity.INFO, f"{TOPIC} evidence", text, fix)


def _wrong(text: str, fix: str) -> Finding:
    return Finding(Severity.ERROR, f"{TOPIC} evidence", text, fix)
