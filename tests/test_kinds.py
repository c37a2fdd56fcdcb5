"""Kinds of systems are a list: nothing asks which kind it deals with, and there may be many connections of each."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from bcbridge import config
from bcbridge.connectors.base import Tools
from bcbridge.connectors.kinds import KINDS
from bcbridge.house.wiring import House, Wiring, build
from bcbridge.store.db import Store
from tests.stores import empty_store

HOUSE = Path(__file__).resolve().parents[1] / "bcbridge"
ROOMS = {HOUSE / "connectors" / kind for kind in KINDS}
SANDBOX = HOUSE / "sandbox"
"""Of our house neither: a list of servers, which speak what they speak."""
ELSEWHERE = {*ROOMS, SANDBOX, HOUSE / "connectors/kinds.py"}
SHARED = [file for file in sorted(HOUSE.rglob("*.py")) if not ELSEWHERE & {file, *file.parents}]


def asked(file: Path) -> Iterator[str]:
    """What a file compares with the name of a kind: ``==``, ``in``, ``match``, or the key of a table."""
    for node in ast.walk(ast.parse(file.read_text())):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        for part in (inner for each in parts for inner in ast.walk(each)):
            if isinstance(part, ast.Constant) and part.value in KINDS:
                yield f"{file.relative_to(HOUSE)}: {ast.unparse(node)}"


@pytest.mark.parametrize("file", SHARED, ids=[str(file.relative_to(HOUSE)) for file in SHARED])
def test_nothing_outside_the_rooms_asks_for_a_kind(file: Path) -> None:
    assert list(asked(file)) == []


def test_the_look_for_such_a_question_finds_one() -> None:
    assert len(list(asked(HOUSE / "connectors/kinds.py"))) == len(KINDS)


# -- two of each ---------------------------------------------------------------------------------------------------

ROOM_OF = {
    "bluecherry": """
base_url = "http://127.0.0.1:9/{name}"
subscription_key = "env:{name}_key"
erp_timezone = "America/New_York"
""",
    "shopify": """
shop = "{hash}.myshopify.com"
code = "{code}"
client_id = "env:{name}_id"
client_secret = "env:{name}_secret"
""",
    "woocommerce": """
url = "https://{name}.example"
code = "{code}"
consumer_key = "env:{name}_key"
consumer_secret = "env:{name}_secret"
webhook_secret = "env:{name}_webhook"
""",
    "bigcommerce": """
store_hash = "{hash}"
code = "{code}"
access_token = "env:{name}_token"
webhook_secret = "env:{name}_webhook"
""",
}


def connection(kind: str, name: str, code: str) -> str:
    room = ROOM_OF[kind].format(name=name, code=code, hash=code.lower())
    return f'[connections.{name}]\nkind = "{kind}"\n{room}'


def two_of_each() -> str:
    """Every kind twice; the first shop of each books into the first ERP, the second into the second."""
    erps = [kind for kind, one in KINDS.items() if one.role == "erp"]
    text = ""
    for number, (kind, turn) in enumerate((kind, turn) for kind in KINDS for turn in (1, 2)):
        text += connection(kind, f"{kind}_{turn}", f"S{chr(ord('A') + number)}")
        if KINDS[kind].role == "channel":
            text += f'[channels.{kind}_{turn}]\nerp = "{erps[0]}_{turn}"\n'
    return text


SHOPS = [f"{kind}_{turn}" for kind, one in KINDS.items() for turn in (1, 2) if one.role == "channel"]


@dataclass
class Built:
    """A house of these settings; ``asked``: the secrets it wanted, by their reference."""

    house: House
    asked: list[str]


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> config.Settings:
    (tmp_path / "config.toml").write_text(two_of_each().replace(*getattr(request, "param", ("", ""))))
    (tmp_path / "mappings").mkdir()
    rows = "".join(f'[{shop}]\nUSD = "HOUSE_{shop}"\n' for shop in SHOPS)
    (tmp_path / "mappings/customers.toml").write_text(rows)
    return config.load(tmp_path / "config.toml")


@pytest.fixture
async def built(settings: config.Settings) -> AsyncIterator[Built]:
    asked: list[str] = []

    def secret(reference: str) -> str:
        asked.append(reference)
        return reference

    async with Store(empty_store(settings.store.path)).opened() as store:
        house = build(settings, store, Tools(now=lambda: datetime.now(UTC), secret=secret), Wiring())
        await anyio.to_thread.run_sync(house.mappings.load)
        yield Built(house, asked)
        for connector in house.connectors():
            await connector.aclose()


async def test_there_may_be_any_number_of_connections_of_each_kind(built: Built) -> None:
    house = built.house
    assert set(house.channels) == set(SHOPS)
    for shop in SHOPS:
        one = house.channels[shop]
        assert one.connector.name == shop
        assert {listed.connector for listed in one.lists} == {shop}, "cursors are its own"
        assert any(reference.startswith(f"env:{shop}_") for reference in built.asked), "keys are its own"
        assert house.mappings.current.code("customers", shop, "USD") == f"HOUSE_{shop}"
        assert one.erp[-1] == shop[-1]
    assert len({id(one.connector) for one in house.channels.values()}) == len(SHOPS)
    assert len({id(one.circuit) for one in house.channels.values()}) == len(SHOPS)


OFF = ('kind = "woocommerce"', 'kind = "woocommerce"\nenabled = false')


@pytest.mark.parametrize("settings", [OFF], indirect=True)
async def test_a_shop_that_is_switched_off_keeps_its_rows(built: Built) -> None:
    assert "woocommerce_1" not in built.house.channels
    assert built.house.mappings.current.code("customers", "woocommerce_1", "USD") == "HOUSE_woocommerce_1"
