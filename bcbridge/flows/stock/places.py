"""Which locations of a channel are told numbers, and from which warehouses: what a person wrote, where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bcbridge.flows.stock.settings import StockSettings
from bcbridge.model.stock import NumberRule, Outlet, ShelfLocation, ShelfRules

ONLY = "*"
"""In ``pools``: the channel's only location."""


@dataclass(frozen=True, slots=True)
class Places:
    """``outlets`` are told numbers; ``wrong``: in words, what a person wrote that cannot be so."""

    outlets: tuple[Outlet, ...]
    wrong: tuple[str, ...]


def places(
    channel: str, erp: str, settings: StockSettings, shelf: ShelfRules, locations: Sequence[ShelfLocation]
) -> Places:
    """Pools are named by a location's name or id. A pool that names none is told, and feeds nothing."""
    outlets: list[Outlet] = []
    wrong: list[str] = []
    for name, warehouses in settings.pools.items():
        found = _named(name, locations)
        if len(found) == 1:
            outlets.append(_outlet(channel, erp, settings, shelf, found[0], warehouses))
        else:
            wrong.append(_words(name, found, locations))
    return Places(tuple(outlets), tuple(wrong))


def _named(name: str, locations: Sequence[ShelfLocation]) -> list[ShelfLocation]:
    if name == ONLY:
        return [one for one in locations if one.sells]
    wanted = name.casefold()
    return [one for one in locations if wanted in (one.ref.casefold(), one.name.casefold())]


def _words(name: str, found: Sequence[ShelfLocation], locations: Sequence[ShelfLocation]) -> str:
    there = ", ".join(one.name or one.ref for one in locations) or "none"
    if found:
        return f"pools: {name!r} may be several locations: {there}; name one by its id"
    return f"pools: there is no location {name!r}; there are: {there}"


def _outlet(
    channel: str,
    erp: str,
    settings: StockSettings,
    shelf: ShelfRules,
    location: ShelfLocation,
    warehouses: Sequence[str],
) -> Outlet:
    return Outlet(
        channel=channel,
        location=location.ref,
        erp=erp,
        warehouses=tuple(warehouses),
        basis=settings.basis,
        shelf=shelf,
        rule=own_rule(settings),
        weight=settings.weight,
        hides_inactive=settings.inactive_shows_none,
        name=location.name,
    )


def own_rule(settings: StockSettings) -> NumberRule:
    """What holds for every SKU of a channel that has no rule of its own."""
    return NumberRule(
        buffer=settings.buffer,
        percent=settings.buffer_percent,
        speed=settings.buffer_by_speed,
        cap=settings.cap,
        split=settings.scarce == "split",
        why="config.toml",
    )
