"""What a person decided about single numbers (mappings/stock.toml), resolved: the most exact row wins, field by field.

A row for a SKU counts for more than one for its style, that for more than its division's, that for more than ``*``; of
equal ones the channel's own section counts for more than [default]; what no row says is as config.toml has it. A dated
row is there from its beginning to its end and not otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bcbridge.mappings import DEFAULT, Mappings, NumberRow, Pack
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.stock import NumberRule, Outlet

TABLE = "stock"
PACKS = "packs"
EVERY = "*"

Place = tuple[str, str, str]
"""(channel, location, sku)."""


@dataclass(frozen=True, slots=True)
class Said:
    """A row in force: where it stands, and what it says."""

    where: str
    row: NumberRow


def outlet_rules(outlets: Sequence[Outlet], mappings: Mappings, *, now: datetime) -> tuple[Outlet, ...]:
    """The outlets with what holds for every SKU of theirs: their own settings under the rows for ``*``."""
    return tuple(
        replace(outlet, rule=_merged(outlet.rule, _rows(mappings, outlet, (EVERY,), now))) for outlet in outlets
    )


def sku_rules(
    outlets: Sequence[Outlet], skus: Mapping[str, CatalogSku | None], mappings: Mappings, *, now: datetime
) -> dict[Place, NumberRule]:
    """Of these SKUs, those that have a rule of their own, by outlet. ``skus``: by UPC; None where the ERP has none, as
    of a pack. ``outlets`` as ``outlet_rules`` gave them."""
    found: dict[Place, NumberRule] = {}
    for upc, sku in skus.items():
        for outlet in outlets:
            rows = list(_rows(mappings, outlet, _keys(upc, sku), now))
            if rows:
                found[outlet.channel, outlet.location, upc] = _merged(outlet.rule, rows)
    return found


def _keys(upc: str, sku: CatalogSku | None) -> tuple[str, ...]:
    of_style = (f"style/{sku.parts.style}", f"division/{sku.parts.division}") if sku else ()
    return (f"sku/{upc}", *of_style)


def _rows(mappings: Mappings, outlet: Outlet, keys: Sequence[str], now: datetime) -> Iterator[Said]:
    """The rows in force here, the most exact first."""
    for key in keys:
        for section in (outlet.channel, DEFAULT):
            row = mappings.rows_of(TABLE, section).get(key)
            if isinstance(row, NumberRow) and _in_force(row, now) and _is_here(row, outlet):
                yield Said(f"stock.toml [{section}] {key}", row)


def _in_force(row: NumberRow, now: datetime) -> bool:
    return (row.from_ is None or row.from_ <= now) and (row.until is None or now < row.until)


def _is_here(row: NumberRow, outlet: Outlet) -> bool:
    wanted = row.location.casefold()
    return not wanted or wanted in (outlet.location.casefold(), outlet.name.casefold())


def _merged(broad: NumberRule, rows: Iterable[Said]) -> NumberRule:
    """What is said first holds; the rest is as the broad rule has it."""
    found = list(rows)
    if not found:
        return broad
    scarce = next((one.row.scarce for one in found if one.row.scarce is not None), None)
    buffer, percent, speed, cap, stop = (_first(found, name) for name in ("buffer", "percent", "speed", "cap", "stop"))
    return NumberRule(
        buffer=broad.buffer if buffer is None else buffer,
        percent=broad.percent if percent is None else percent,
        speed=broad.speed if speed is None else bool(speed),
        cap=broad.cap if cap is None else cap,
        stop=broad.stop if stop is None else bool(stop),
        split=broad.split if scarce is None else scarce == "split",
        why="; ".join(dict.fromkeys(one.where for one in found)),
    )


def _first(rows: Sequence[Said], name: str) -> int | None:
    return next((value for one in rows if (value := getattr(one.row, name)) is not None), None)


def next_change(mappings: Mappings, *, now: datetime) -> datetime | None:
    """When the next dated row begins or ends; None where none does."""
    moments = [
        moment
        for section in mappings.tables.get(TABLE, {})
        for row in mappings.rows_of(TABLE, section).values()
        if isinstance(row, NumberRow)
        for moment in (row.from_, row.until)
        if moment is not None and moment > now
    ]
    return min(moments, default=None)


def packs_of(mappings: Mappings) -> Mapping[str, Mapping[str, int]]:
    """Packs: sku -> {part: pieces of it}. They are the same for all channels: [default] alone is read."""
    return {sku: row.parts for sku, row in mappings.rows_of(PACKS, DEFAULT).items() if isinstance(row, Pack)}
