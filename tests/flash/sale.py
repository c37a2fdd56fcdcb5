"""One flash sale, from an empty folder to its figures: the sandbox as a process, the bridge as a process.

1. open     200 SKUs of 10 to 100 pieces in the ERP; every shop is told
2. sell     2,000 orders in a minute over three shops, the best SKU a sixth of the lines
3. settle   all is booked, exported and read: every shop shows what the rule says
4. count    oversold by the ERP's own books; what was refused, and the race, by the shops' books and the bridge's looks
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bcbridge.sandbox.catalogue import WEB_SKUS
from tests.e2e.race import Race, raced, totals
from tests.e2e.shops import BIGCOMMERCE, SHOPIFY, WOOCOMMERCE, Shop
from tests.e2e.shown import Buffer, Place, differing, none_held, oversold_by_upc, stock
from tests.e2e.world import World, call, world

CYCLE_SECONDS = 60
BUILD_SECONDS = 5
POST_EVERY_SECONDS = 10.0
POLL_SECONDS = 2.0
SHARES = {SHOPIFY: 0.5, WOOCOMMERCE: 0.3, BIGCOMMERCE: 0.2}
LATENCIES: dict[Shop, dict[str, Any]] = {
    SHOPIFY: {"rates": {"slow": 1}, "values": {"slow_ms": 550, "restore_rate": 20_000, "bucket": 200_000}},
    WOOCOMMERCE: {"values": {"write_least_ms": 400, "write_most_ms": 1000}},
    BIGCOMMERCE: {"values": {"settle_least_seconds": 1, "settle_most_seconds": 6}},
}
"""Shopify answers any call after 0.55 s; a write of WooCommerce takes 0.4 to 1 s per parent; a number of BigCommerce is
in force 1 to 6 s after the answer. Shopify's points are out of the way: read whole, twice, 17 orders a second would be
3,700 points a second, and no plan restores more than 2,000."""
BIGCOMMERCE_SETTLES = "stock_settles_seconds = 8\n"
PROFILE = f"""
[connections.bluecherry.profile]
stock_evidence = ["row_ledger"]
stock_build_seconds = {BUILD_SECONDS}
clock_skew_seconds = 1
locations_not_for_sale = ["QRN"]
"""
NOBODYS = {"do": "adjust", "upc": "040123999904", "location": "NJ1", "qty": 1}
"""No shop has it: the ERP's own life, which dates what is exported with it."""
DUE = "SELECT 1 FROM stock_shown WHERE due IS NOT NULL LIMIT 1"
"""Whether the bridge has anything left to tell: shares that are granted only after others gave them back."""
OPENS_SECONDS = 120.0
SELLS_SECONDS = 300.0
SETTLES_SECONDS = 300.0
LIVES_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Variant:
    """How numbers are kept: ``stock`` are lines of each channel's table. ``model``: oversold, really sold and lost as
    the rule's own model has them."""

    name: str
    stock: str
    model: tuple[str, str, str]
    buffer: Buffer = none_held
    split: bool = False


def tenth(shop: str, left: int) -> int:
    return (max(0, left) * 10 + 99) // 100


VARIANTS = (
    Variant("share", "", ("36", "all", "0")),
    Variant("share, buffer 2", "buffer = 2", ("22", "2,286", "223"), buffer=lambda shop, left: 2),
    Variant("share, buffer 10 %", "buffer_percent = 10", ("11", "2,293", "488"), buffer=tenth),
    Variant("share, buffer by speed", "buffer_by_speed = true", ("2.5", "2,279", "1,067")),
    Variant("split", 'scarce = "split"', ("0", "2,298", "100-460"), split=True),
)


@dataclass(frozen=True)
class Size:
    """How large a sale is."""

    orders: int = 2_000
    seconds: float = 60.0
    skus: int = 200
    seed: int = 1


@dataclass
class Result:
    """One sale's figures."""

    variant: Variant
    size: Size
    races: list[Race]
    booked_beyond: Counter[str] = field(default_factory=Counter)
    """Pieces oversold by the ERP's own books, by SKU."""
    missed: int = 0
    """Pieces refused, whether they were free or not."""
    sold_in: float = 0.0
    settled_after: float | None = None
    """Seconds after the last order; None: not within its deadline."""
    wrong: list[str] = field(default_factory=list)
    """Numbers that were not what the rule says, at that deadline."""

    @property
    def oversold(self) -> int:
        return sum(self.booked_beyond.values())

    @property
    def totals(self) -> Counter[str]:
        return totals(self.races)

    def failures(self) -> list[str]:
        """Everything that must not be, in words."""
        found = [f"not settled: {text}" for text in self.wrong[:5]]
        for race in self.races:
            beyond = self.booked_beyond[race.place.upc]
            if beyond != race.oversold:
                found.append(f"{race.place.upc}: the ERP counts {beyond} oversold, the shops' books {race.oversold}")
            if race.oversold > (0 if self.variant.split else race.allowed):
                found.append(f"{race.place.upc}: {race.oversold} oversold, the race allows {race.r1} + {race.r2}")
        return found


Say = Callable[[str], None]


def run(variant: Variant, size: Size, folder: Path, say: Say = lambda text: None) -> Result:
    """One sale in this folder. Its processes are ended, whatever happens."""
    simulated = {"stock_cycle_seconds": CYCLE_SECONDS, "stock_build_seconds": BUILD_SECONDS}
    opening = world(
        folder,
        shops=tuple(map(_shop, SHARES)),
        public=True,
        erp_settings=PROFILE,
        stock=variant.stock,
        simulated_erp=simulated,
        post_every_seconds=POST_EVERY_SECONDS,
    )
    with opening as one:
        pieces = _open(one, variant, size, say)
        return _sale(one, variant, size, pieces, say)


def _shop(shop: Shop) -> Shop:
    settles = BIGCOMMERCE_SETTLES if shop is BIGCOMMERCE else ""
    return replace(shop, settings=shop.settings + settles, poll_every=POLL_SECONDS)


def _open(one: World, variant: Variant, size: Size, say: Say) -> dict[Place, int]:
    chance = random.Random(f"{size.seed}:pieces")
    pieces = {Place(sku.upc, "NJ1"): chance.randint(10, 100) for sku in WEB_SKUS[: size.skus]}
    sets = ({"do": "set", "upc": at.upc, "location": "NJ1", "pieces": n, "only": True} for at, n in pieces.items())
    stock(one, *sets, NOBODYS)
    call(f"{one.erp}/_sandbox/publish", {})
    one.run_bridge()
    told = lambda: not (_differing(one, variant) or one.rows(DUE))  # noqa: E731
    one.comes(told, "every shop is told what there is", within=OPENS_SECONDS)
    for shop, latency in LATENCIES.items():
        one.faults(f"http://127.0.0.1:{one.ports[shop.served]}", **latency)
    say(f"{variant.name}: {sum(pieces.values()):,} pieces of {len(pieces)} SKUs are on show")
    return pieces


def _differing(one: World, variant: Variant) -> list[str]:
    everything = [sku.upc for sku in WEB_SKUS] if variant.split else []
    return differing(one, buffer=variant.buffer, split=everything)


def _sale(one: World, variant: Variant, size: Size, pieces: dict[Place, int], say: Say) -> Result:
    begun, started = datetime.now(UTC), time.monotonic()
    plans = {shop: _sell(one, shop, many, size) for shop, many in _shared(one, size)}
    sold = lambda: all(one.is_sold(shop, plan) for shop, plan in plans.items())  # noqa: E731
    one.comes(sold, "all is sold", within=SELLS_SECONDS)
    took, last = time.monotonic() - started, time.monotonic()
    say(f"{variant.name}: sold in {took:.0f} s; it settles")
    wrong = _settle(one, variant)
    after = None if wrong else time.monotonic() - last
    races = raced(one, pieces, since=begun)
    beyond = oversold_by_upc(one)
    ours = Counter({at.upc: beyond[at.upc] for at in pieces if beyond.get(at.upc)})
    return Result(variant, size, races, ours, _missed(one, begun), took, after, wrong)


def _shared(one: World, size: Size) -> list[tuple[Shop, int]]:
    return [(shop, round(size.orders * share)) for shop, share in zip(one.shops, SHARES.values(), strict=True)]


def _sell(one: World, shop: Shop, many: int, size: Size) -> int:
    wishes = {"simple": True, "unbookable": 0, "skus": size.skus}
    return int(one.sell(many, shop=shop, seed=size.seed, rate=many / size.seconds, **wishes)["plan"])


def _missed(one: World, begun: datetime) -> int:
    refused = (row for shop in one.shops for row in one.books(one.at(shop), "refused"))
    return sum(row["wanted"] - row["shown"] for row in refused if datetime.fromisoformat(row["at"]) >= begun)


def _settle(one: World, variant: Variant) -> list[str]:
    """What is still wrong at the deadline; the ERP lives on meanwhile."""
    until, lived = time.monotonic() + SETTLES_SECONDS, 0.0
    while True:
        wrong = [f"{key} is not in the ERP" for key in sorted(one.missing())] or _differing(one, variant)
        if not wrong or time.monotonic() > until:
            return wrong
        if time.monotonic() > lived + LIVES_EVERY_SECONDS:
            stock(one, NOBODYS)
            lived = time.monotonic()
        time.sleep(1.0)
