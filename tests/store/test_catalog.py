"""A style that comes again as it was frees nothing; one that changed frees exactly what changed in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.store import catalog
from bcbridge.store.db import Store
from tests.stores import empty_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


def sku(upc: str, *, active: bool = True) -> CatalogSku:
    parts = SkuParts(division="WOM", style="00417", color_code="BLK", size_desc=upc[-1])
    return CatalogSku(ref=Ref(f"r{upc}"), style=Ref("s1"), parts=parts, upc=Upc(upc), active=active)


async def take(store: Store, *skus: CatalogSku) -> set[str]:
    return await store.write(lambda tx: catalog.replace_style(tx, "bluecherry", "s1", skus))


async def test_only_what_changed_in_a_style_is_looked_at_again(store: Store) -> None:
    assert await take(store, sku("01"), sku("02")) == {"01", "02"}
    assert await take(store, sku("02"), sku("01")) == set()
    assert await take(store, sku("01"), sku("02", active=False)) == {"02"}
    assert await take(store, sku("01"), sku("03")) == {"02", "03"}
    assert set(await catalog.skus(store, "bluecherry", ["01", "02", "03"])) == {"01", "03"}
