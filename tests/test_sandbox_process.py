"""Which systems the sandbox is asked to run, from the connections that point to this machine."""

from __future__ import annotations

from pathlib import Path

from bcbridge import config
from bcbridge.house import sandbox_process

ERP = """
[connections.erp]
kind = "bluecherry"
base_url = "http://127.0.0.1:9101/SNDBX"
subscription_key = "file:key"
erp_timezone = "UTC"
"""
SHOP = """
[connections.{name}]
kind = "shopify"
shop = "{name}.myshopify.com"
base_url = "http://127.0.0.1:{port}"
code = "{code}"
token = "file:token"
"""


def shop(name: str, port: int) -> str:
    return SHOP.format(name=name, port=port, code=name.upper())


def settings(folder: Path, text: str) -> config.Settings:
    (folder / "config.toml").write_text(text)
    return config.load(folder / "config.toml")


def served(said: config.Settings) -> list[tuple[str, str, int]]:
    return [(one.name, one.kind, one.port) for one in sandbox_process.systems(sandbox_process.simulated(said))]


def test_a_second_one_of_a_kind_is_a_system_of_its_own(tmp_path: Path) -> None:
    said = settings(tmp_path, ERP + shop("us", 9102) + shop("uk", 9105))
    assert served(said) == [("bluecherry", "bluecherry", 9101), ("shopify", "shopify", 9102), ("uk", "shopify", 9105)]


def test_two_connections_to_one_address_are_one_system(tmp_path: Path) -> None:
    said = settings(tmp_path, shop("us", 9102) + shop("too", 9102))
    assert served(said) == [("shopify", "shopify", 9102)]


def test_what_config_says_of_a_kind_is_said_of_each_of_them(tmp_path: Path) -> None:
    trade = "[sandbox.shopify]\nambient_orders_per_minute = 7.0\n"
    said = settings(tmp_path, trade + shop("us", 9102) + shop("uk", 9105))
    arguments = sandbox_process.arguments(said, sandbox_process.simulated(said))
    assert {f"{name}.ambient_orders_per_minute=7.0" for name in ("shopify", "uk")} <= set(arguments)
