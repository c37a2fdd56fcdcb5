"""Money that is asked for, wired: a write that somebody confirms, and a policy that its shop can follow."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio import to_thread

from bcbridge import config
from bcbridge.connectors.base import Tools
from bcbridge.errors import Misconfigured
from bcbridge.house.wiring import House, Wiring, build
from bcbridge.store.db import Store
from tests.stores import empty_store

ROOT = Path(__file__).parents[1]
AT = datetime(2026, 11, 20, tzinfo=UTC)


def as_shipped(folder: Path, channel: str, policy: str) -> config.Settings:
    """But for one line."""
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    table = f"[channels.{channel}.dispatches]"
    text = (ROOT / "config.toml").read_text()
    assert table in text
    (folder / "config.toml").write_text(text.replace(table, f"{table}\n{policy}\n#"))
    return config.load(folder / "config.toml")


@asynccontextmanager
async def a_house(folder: Path, channel: str, policy: str) -> AsyncIterator[House]:
    settings = await to_thread.run_sync(as_shipped, folder, channel, policy)
    async with Store(empty_store(folder / "store.db")).opened() as store:
        made = build(settings, store, Tools(now=lambda: AT, secret=lambda reference: "not used"), Wiring())
        yield made
        for connector in made.connectors():
            await connector.aclose()


@pytest.mark.parametrize(("by", "asks"), [("bridge", True), ("person", False), ("shop", False)])
async def test_asking_for_money_is_a_write_that_somebody_confirms(tmp_path: Path, by: str, asks: bool) -> None:
    async with a_house(tmp_path, "shopify_us", f'captures = {{ card = "{by}" }}') as house:
        assert ("shopify_us.captures" in house.stock_writes()) == asks
        reader = house.shipments("bluecherry")
    assert reader is not None
    assert set(reader.paying) == ({"shopify_us"} if asks else set())


async def test_a_shop_without_a_call_for_it_is_not_told_to_be_asked(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="woocommerce has no call that captures money"):
        async with a_house(tmp_path, "woocommerce_eu", 'captures = { "*" = "bridge" }'):
            pass
