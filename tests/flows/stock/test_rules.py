"""The most exact row wins, field by field; a dated one only in its time; what no row says is as config.toml has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bcbridge import mappings
from bcbridge.errors import Misconfigured
from bcbridge.flows.stock.rules import next_change, outlet_rules, packs_of, sku_rules
from bcbridge.mappings import Mappings
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.model.stock import NumberRule, Outlet

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OWN = NumberRule(buffer=1, cap=50, why="config.toml")
SHOP = Outlet("shop", Ref("1"), "erp", ("NJ1",), rule=OWN, name="New Jersey DC")
OTHER = Outlet("other", Ref(""), "erp", ("NJ1",), rule=OWN)
TEE = CatalogSku(
    ref=Ref("1"),
    style=Ref("10"),
    parts=SkuParts(division="WOM", style="00417", color_code="BLK", size_desc="M"),
    upc=Upc("040123000013"),
)


def read(folder: Path, text: str) -> Mappings:
    (folder / "stock.toml").write_text(text)
    return mappings.load(folder, ["shop", "other"])


def rule(read_from: Mappings, outlet: Outlet = SHOP, now: datetime = NOW) -> NumberRule | None:
    outlets = outlet_rules([outlet], read_from, now=now)
    return sku_rules(outlets, {TEE.upc: TEE}, read_from, now=now).get((outlet.channel, outlet.location, TEE.upc))


def test_without_a_row_a_sku_has_no_rule_of_its_own(tmp_path: Path) -> None:
    held = read(tmp_path, '[default]\n"style/99999" = { buffer = 9 }\n')
    assert rule(held) is None
    assert outlet_rules([SHOP], held, now=NOW)[0].rule == OWN


def test_the_most_exact_row_wins_field_by_field(tmp_path: Path) -> None:
    held = read(
        tmp_path,
        """
[default]
"*" = { buffer = 3, percent = 5 }
"division/WOM" = { buffer = 4, stop = true, cap = 20 }
"style/00417" = { stop = false, scarce = "split" }
"sku/040123000013" = { buffer = 6 }
[shop]
"division/WOM" = { cap = 30 }
""",
    )
    found = rule(held)
    assert found is not None
    assert (found.buffer, found.percent, found.stop, found.cap, found.split) == (6, 5, False, 30, True)
    other = rule(held, OTHER)
    assert other is not None
    assert other.cap == 20
    assert outlet_rules([SHOP], held, now=NOW)[0].rule.buffer == 3


def test_it_is_said_which_rows_made_it(tmp_path: Path) -> None:
    found = rule(
        read(tmp_path, '[shop]\n"style/00417" = { buffer = 2 }\n[default]\n"sku/040123000013" = { cap = 5 }\n')
    )
    assert found is not None
    assert found.why == "stock.toml [default] sku/040123000013; stock.toml [shop] style/00417"


def test_a_campaign_begins_and_ends(tmp_path: Path) -> None:
    begins, ends = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
    said = f'scarce = "split", from = {begins.isoformat()}, until = {ends.isoformat()}'
    held = read(tmp_path, f'[default]\n"style/00417" = {{ {said} }}\n')
    assert [rule(held, now=at) is not None for at in (NOW, begins, ends - timedelta(seconds=1), ends)] == [
        False,
        True,
        True,
        False,
    ]
    assert [next_change(held, now=at) for at in (NOW, begins, ends)] == [begins, ends, None]


def test_a_row_for_one_location_is_for_that_one(tmp_path: Path) -> None:
    held = read(tmp_path, '[default]\n"sku/040123000013" = { buffer = 2, location = "New Jersey DC" }\n')
    assert rule(held) is not None
    assert rule(held, OTHER) is None


def test_packs_are_read(tmp_path: Path) -> None:
    (tmp_path / "packs.toml").write_text('[default]\n"850044000019" = { parts = { "040123000013" = 2 } }\n')
    assert packs_of(mappings.load(tmp_path)) == {"850044000019": {"040123000013": 2}}


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        ("stock", '"00417" = { buffer = 2 }', "write sku/<UPC>, style/<number>, division/<code>, or *"),
        ("stock", '"*" = "2"', "like { buffer = 2 }"),
        ("stock", '"*" = { bufer = 2 }', "did you mean 'buffer'?"),
        ("stock", '"*" = { until = 2026-11-27T00:00:00 }', "until"),
        ("stock", '"*" = { from = 2026-11-27T00:00:00Z, until = 2026-11-26T00:00:00Z }', "until is not after from"),
        ("packs", '"850044000019" = { parts = { "040123000013" = 0 } }', "parts.040123000013"),
        ("packs", '"850044000019" = "040123000013"', "like { parts ="),
    ],
)
def test_a_row_that_cannot_be_says_what_to_write(tmp_path: Path, table: str, row: str, said: str) -> None:
    (tmp_path / f"{table}.toml").write_text(f"[default]\n{row}\n")
    with pytest.raises(Misconfigured) as refused:
        mappings.load(tmp_path)
    assert said in str(refused.value)


def test_what_was_read_is_written_as_it_was(tmp_path: Path) -> None:
    text = '[default]\n"sku/040123000013" = { buffer = 2, from = 2026-11-27T00:00:00Z }\n'
    held = read(tmp_path, text)
    copy = tmp_path / "copy"
    copy.mkdir()
    assert mappings.write(held, copy) == ["stock"]
    assert mappings.load(copy) == held
