"""From a sale in one shop to the lower number in the other two, while the ERP is down: by the shops' own books.

Each sale is of a SKU of its own, with five pieces in the ERP, and webhooks ring. A number of BigCommerce is lower when
its adjustment was asked for; when it is in force is that shop's affair, and told beside.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bcbridge.sandbox.catalogue import WEB_SKUS
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.e2e.shops import BIGCOMMERCE, SHOPS
from tests.e2e.shown import Place, all_moves, differing, shown, stock
from tests.e2e.world import World, world

GOAL_SECONDS = 3.0
PIECES = 5
SALES_A_SECOND = 2.0
OPENS_SECONDS = 120.0
LOWER_SECONDS = 90.0
PROFILE = """
[connections.bluecherry.profile]
stock_evidence = ["row_ledger"]
stock_build_seconds = 1
locations_not_for_sale = ["QRN"]
"""
SELLING = tuple(
    replace(shop, settings=shop.settings + ("stock_settles_seconds = 8\n" if shop is BIGCOMMERCE else ""))
    for shop in SHOPS
)
TOLD, IN_FORCE = "told", "in force"


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    """``scale.lowered``: sales in each shop."""
    with world(folder / "world", shops=SELLING, public=True, erp_settings=PROFILE, stock="") as one:
        sold = _sell(one, scale.lowered)
        one.comes(lambda: not _higher(one, sold), "every sale is lower everywhere", within=LOWER_SECONDS)
        times = _times(one, sold)
    everywhere = [seconds for (_, to, how), found in times.items() if _counts(to, how) for seconds in found]
    p95 = _quantile(everywhere, 0.95)
    goal = f"p95 under {GOAL_SECONDS:g} s"
    yield Row(
        "lower", "a sale in one shop, lower in the other two, ERP down", _told(everywhere), "", goal, p95 < GOAL_SECONDS
    )
    for (shop, to, how), found in sorted(times.items()):
        yield Row("lower", f"from {shop} to {to}, {how}", _told(found))


def _counts(to: str, how: str) -> bool:
    """A number of BigCommerce when it was asked for, any other when it stood there."""
    return (how == TOLD) == (to == BIGCOMMERCE.connection)


# -- the sales -----------------------------------------------------------------------------------------------------


def _sell(one: World, each: int) -> dict[str, str]:
    """One piece of each of so many SKUs, in turn in each shop; the shop by SKU."""
    upcs = [sku.upc for sku in WEB_SKUS[: each * len(one.shops)]]
    stock(one, *({"do": "set", "upc": upc, "location": "NJ1", "pieces": PIECES, "only": True} for upc in upcs))
    one.run_bridge()
    one.comes(lambda: not differing(one), "every shop is told what there is", within=OPENS_SECONDS)
    one.faults(one.erp, rates={"error_500": 1})
    sold = {}
    for upc, shop in zip(upcs, itertools.cycle(one.shops), strict=False):
        one.order_at(shop, lines=[{"sku": upc, "quantity": 1}])
        sold[upc] = shop.connection
        time.sleep(1 / SALES_A_SECOND)
    return sold


def _higher(one: World, sold: Mapping[str, str]) -> bool:
    """Whether any shop still shows a piece that was sold."""
    places = [Place(upc, "NJ1") for upc in sold]
    return any(shown(one, shop)[place] >= PIECES for shop in one.shops for place in places)


# -- how long it took ----------------------------------------------------------------------------------------------

Way = tuple[str, str, str]
"""From this shop to that one; told, or in force."""


def _times(one: World, sold: Mapping[str, str]) -> dict[Way, list[float]]:
    """Seconds from each sale."""
    begun: dict[str, datetime] = {}
    times: dict[Way, list[float]] = defaultdict(list)
    met: set[tuple[str, str]] = set()
    for move in all_moves(one):
        upc, shop = move.place.upc, move.shop
        if move.by == "order" and upc in sold:
            begun[upc] = move.at
        elif move.by == "api" and upc in begun and shop != sold[upc] and (upc, shop) not in met:
            met.add((upc, shop))
            times[sold[upc], shop, IN_FORCE].append((move.at - begun[upc]).total_seconds())
    for upc, at in _asked(one).items():
        if upc in begun and sold[upc] != BIGCOMMERCE.connection:
            times[sold[upc], BIGCOMMERCE.connection, TOLD].append((at - begun[upc]).total_seconds())
    return times


def _asked(one: World) -> dict[str, datetime]:
    """When BigCommerce was first asked for a number below what there was, by SKU."""
    asked: dict[str, datetime] = {}
    shop = next(shop for shop in one.shops if shop.kind == BIGCOMMERCE.kind)
    for row in one.books(one.at(shop), "adjustments"):
        if row["quantity"] == PIECES - 1:
            asked.setdefault(row["sku"], datetime.fromisoformat(row["askedAt"]))
    return asked


def _told(times: Sequence[float]) -> str:
    return f"p50 {_quantile(times, 0.5):.2f} s, p95 {_quantile(times, 0.95):.2f} s ({len(times)})"


def _quantile(times: Sequence[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] if times else float("nan")
