"""A house on a real store, that nothing runs in, a clock that a test moves, and a watchman who goes round when told."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bcbridge import config
from bcbridge.connectors.base import Tools
from bcbridge.house.wiring import Wiring, build
from bcbridge.store.db import Store
from tests.runtime.kit import Clock
from tests.stores import empty_store
from tests.watches.rounds import ERP, OTHER, ROOT, SECOND_SHOP, SHOP, Rounds


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    (tmp_path / "config.toml").write_text((ROOT / "config.toml").read_text() + SECOND_SHOP)
    loaded = config.load(tmp_path / "config.toml")
    used = {
        name: replace(one, enabled=name in (SHOP, OTHER, ERP))  # whatever else the shipped config sells through
        for name, one in loaded.connections.items()
    }
    return replace(loaded, connections=used)


@pytest.fixture
async def rounds(settings: config.Settings) -> AsyncIterator[Rounds]:
    now = Clock()
    async with Store(empty_store(settings.store.path)).opened() as store:
        house = build(settings, store, Tools(now=now, secret=lambda reference: "not used"), Wiring())
        house.production = dict.fromkeys(settings.connections, False)
        yield Rounds(house, now)
        for connector in house.connectors():
            await connector.aclose()
