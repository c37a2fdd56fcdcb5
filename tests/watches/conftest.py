"""A house on a real store, that nothing runs in, a clock that a test moves, and a watchman who goes round when told."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bcbridge import config
from bcbridge.connectors.base import Tools
from bcbridge.house.wiring import Wiring, build
from bcbridge.store.db import Store
from tests.runtime.kit import Clock
from tests.watches.rounds import ROOT, SECOND_SHOP, Rounds


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    (tmp_path / "config.toml").write_text((ROOT / "config.toml").read_text() + SECOND_SHOP)
    return config.load(tmp_path / "config.toml")


@pytest.fixture
async def rounds(settings: config.Settings) -> AsyncIterator[Rounds]:
    now = Clock()
    async with Store(settings.store.path).opened() as store:
        house = build(settings, store, Tools(now=now, secret=lambda reference: "not used"), Wiring())
        house.production = dict.fromkeys(settings.connections, False)
        yield Rounds(house, now)
        for connector in house.connectors():
            await connector.aclose()
