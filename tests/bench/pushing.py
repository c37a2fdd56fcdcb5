"""A full first push to each simulated shop, as a share of what that channel's published limit allows.

Shopify gives points back at a rate, a call of 250 rows costs ten. WooCommerce has two workers that take as long as the
simulation is set to, a call is one style of eight sizes. BigCommerce takes 2,000 rows in one call after the other, and
150 calls in half a minute; its window begins with the clock, and what reading its shelf took of an earlier one is not
counted. All numbers are due; where telling all of them would take longer than there is time, the pace is taken over
that time. A number is told when its call was answered: that it is in force later in BigCommerce is not waited for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.woocommerce.season import MORE_SIZES
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings
from tests.bench.children import command, run, started
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.e2e.world import SANDBOX_UP_SECONDS, call, free_ports, until

SHARE = 0.9
RESTORE_RATE = 100
"""Shopify's usual plan, points a second."""
BUCKET = 200
"""Saved up before the clock starts: little, so that the rate counts."""
CALL_POINTS = 10
CALL_ROWS = 250
BIG_ROWS = 2_000
SIZES = len(MORE_SIZES)

Reading = dict[str, float]


@dataclass(frozen=True)
class Channel:
    """``more``: how many goods the simulation is told to list; ``allows``: rows a second, given what was read."""

    kind: str
    name: str
    more: Callable[[int], str]
    allows: Callable[[Reading], float]
    limit: str
    settings: tuple[str, ...] = ()


def _shopify(read: Reading) -> float:
    return (BUCKET + RESTORE_RATE * read["seconds"]) / CALL_POINTS * CALL_ROWS / read["seconds"]


def _woocommerce(read: Reading) -> float:
    plan = WooCommerceSettings()
    return plan.write_at_once / (sum(plan.write_seconds) / 2) * SIZES


def _bigcommerce(read: Reading) -> float:
    plan = BigCommerceSettings()
    return plan.quota / plan.window_seconds * BIG_ROWS


CHANNELS = (
    Channel(
        "shopify",
        "Shopify",
        lambda skus: f"extra_skus={skus}",
        _shopify,
        f"{RESTORE_RATE} points a second",
        (f"restore_rate={RESTORE_RATE}", f"bucket={BUCKET}"),
    ),
    Channel(
        "woocommerce",
        "WooCommerce",
        lambda skus: f"more_styles={-(-skus // SIZES)}",
        _woocommerce,
        "two calls at once",
    ),
    Channel(
        "bigcommerce",
        "BigCommerce",
        lambda skus: f"more_skus={skus}",
        _bigcommerce,
        "one call of 2,000 at a time, 150 in 30 s from the start",
    ),
)


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    for place, channel in enumerate(CHANNELS):
        at = folder / channel.kind
        at.mkdir()
        with simulated(channel, at, scale.shelf) as port:
            argv = command("tests.bench.pushed", channel.kind, port, at / "store.db", scale.shelf, scale.push_seconds)
            yield _row(channel, run(argv), first=not place)


def _row(channel: Channel, read: Reading, *, first: bool) -> Row:
    pace, allowed = read["rows"] / read["seconds"], channel.allows(read)
    share = pace / allowed
    return Row(
        "push" if first else "",
        f"{channel.name}, {read['items']:,.0f} numbers due; {channel.limit}",
        f"{read['rows']:,.0f} rows in {read['seconds']:.0f} s, {pace:,.0f}/s of {allowed:,.0f}",
        f"{share:.2f} of what it allows",
        f"at least {SHARE}",
        share >= SHARE,
    )


@contextmanager
def simulated(channel: Channel, folder: Path, skus: int) -> Iterator[int]:
    """The shop in a process of its own, with so many goods."""
    port, slack, smtp = free_ports(3)
    argv = [sys.executable, "-m", "bcbridge.sandbox.main", "--dir", str(folder / "sandbox")]
    argv += ["--serve", f"{channel.kind}={port}", "--slack-port", str(slack), "--smtp-port", str(smtp)]
    for setting in (channel.more(skus), *channel.settings):
        argv += ["--set", f"{channel.kind}.{setting}"]
    with started(argv, log=folder / "sandbox.log"):
        until(lambda: _answers(port), SANDBOX_UP_SECONDS, "the sandbox answers")
        yield port


def _answers(port: int) -> bool:
    try:
        return bool(call(f"http://127.0.0.1:{port}/_sandbox/"))
    except OSError:
        return False
