"""``bcbridge reconcile``: the last report in words, in JSON and as a table; the exit code says what is left."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from bcbridge.model.ids import Ref
from bcbridge.model.reconcile import Difference, Ending, Kind, Pair, Tally
from bcbridge.store import reconciling
from bcbridge.store.db import Store
from tests.cli.test_acting import cli

AT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "config.toml"
LEFT = Difference(
    kind=Kind.MISSING_IN_ERP,
    ref=Ref("r1"),
    order="#1001",
    subject="US1P1G1",
    text="booked as 0100001, and the ERP does not show it",
    action="look for it",
)
HEALED = LEFT.model_copy(update={"kind": Kind.NOT_SEEN, "order": "#1002", "subject": "order", "ending": Ending.HEALED})
TALLY = Tally(
    orders=9,
    booked=7,
    not_yet=2,
    amounts={"USD": Pair(channel=Decimal("100"), erp=Decimal("90.5"))},
    ordered=Pair(channel=Decimal(12), erp=Decimal(12)),
    dispatched=Pair(channel=Decimal(4), erp=Decimal(5)),
    notes=("the ERP's search could not be trusted",),
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    shutil.copy(SHIPPED, tmp_path)
    async with Store(tmp_path / "var/bcbridge.db").opened() as opened:
        yield opened


@pytest.fixture
def config(store: Store) -> Path:
    return store.path.parents[1] / "config.toml"


async def ended(store: Store, *found: Difference, channel: str = "shopify_us") -> None:
    since = AT - timedelta(days=7)
    run = await store.write(partial(reconciling.ask, channel=channel, since=since, heal=True, who="", now=AT))
    await store.write(partial(reconciling.begin, channel=channel, now=AT))
    await store.write(lambda tx: reconciling.end(tx, channel, run, TALLY, found, more=0, whole=True, now=AT))


async def test_the_report_is_shown_with_what_is_to_be_done(
    store: Store, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await ended(store, LEFT, HEALED)
    assert await cli(config, "reconcile", "show") == 1
    said = capsys.readouterr().out
    for line in (
        "shopify_us: orders created since 2026-11-14 08:30",
        "orders 9: 7 booked, 2 not yet",
        "worth in USD: channel 100.00, ERP 90.50, -9.50 in the ERP",
        "pieces ordered: channel 12, ERP 12\n",
        "pieces dispatched: channel 4, ERP 5, +1 in the ERP",
        "could not be trusted",
        "missing in erp: #1001 US1P1G1: booked as 0100001, and the ERP does not show it",
        "    look for it",
        "not seen (healed): #1002: ",
    ):
        assert line in said
    assert said.count("look for it") == 1


@pytest.mark.parametrize(("found", "code"), [((), 0), ((HEALED,), 0), ((LEFT,), 1)])
async def test_the_exit_code_says_whether_anything_is_left(
    store: Store, config: Path, found: tuple[Difference, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    await ended(store, *found)
    assert await cli(config, "reconcile", "show", "--json") == code
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["channel"], report["state"], len(report["differences"])) == ("shopify_us", "done", len(found))


async def test_one_channel_and_its_table(store: Store, config: Path, tmp_path: Path) -> None:
    await ended(store, LEFT)
    await ended(store, channel="woocommerce_eu")
    file = tmp_path / "found.csv"
    assert await cli(config, "reconcile", "show", "--channel", "woocommerce_eu") == 0
    assert await cli(config, "reconcile", "show", "--csv", str(file)) == 1
    with file.open() as opened:
        (row,) = csv.DictReader(opened)
    assert (row["channel"], row["kind"], row["ending"], row["order"]) == (
        "shopify_us",
        "missing_in_erp",
        "left",
        "#1001",
    )


async def test_a_run_that_failed_says_why(store: Store, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = await store.write(partial(reconciling.ask, channel="shopify_us", since=AT, heal=True, who="ann", now=AT))
    await store.write(partial(reconciling.fail, run=run, reason="the shop did not answer", now=AT))
    assert await cli(config, "reconcile", "show") == 1
    assert "was not compared: the shop did not answer" in capsys.readouterr().err


async def test_where_nothing_was_compared_yet(store: Store, config: Path) -> None:
    assert await cli(config, "reconcile", "show") == 3


async def test_a_run_needs_the_bridge(store: Store, config: Path) -> None:
    assert await cli(config, "reconcile", "orders", "--since", "3d") == 4


async def test_a_day_that_is_none(store: Store, config: Path) -> None:
    assert await cli(config, "reconcile", "orders", "--since", "yesterday") == 2
