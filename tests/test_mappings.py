"""The tables people edit: read with every mistake at once, answered without guessing, written back sorted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcbridge.errors import Misconfigured
from bcbridge.mappings import TABLES, Division, Mappings, changed, freed, load, write
from bcbridge.sandbox import catalogue

SHIPPED = Path(__file__).resolve().parents[1] / "mappings"


def tables(folder: Path, **texts: str) -> Path:
    for table, text in texts.items():
        (folder / f"{table}.toml").write_text(text, encoding="utf-8")
    return folder


def mistakes(folder: Path, *channels: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load(folder, channels)
    return [str(mistake) for mistake in caught.value.mistakes]


# --- answers -------------------------------------------------------------------------------------------------------


def test_the_channels_own_section_goes_before_the_default(tmp_path: Path) -> None:
    text = '[default]\nStandard = "UPG"\nExpress = "UP2"\n\n[shop]\nStandard = "USP"\n'
    mappings = load(tables(tmp_path, ship_via=text))
    assert mappings.code("ship_via", "shop", "Standard") == "USP"
    assert mappings.code("ship_via", "shop", "Express") == "UP2"
    assert mappings.code("ship_via", "other", "Standard") == "UPG"
    assert mappings.code("ship_via", "shop", "Drone") is None


def test_an_exact_row_wins_then_another_case_then_the_longest_pattern() -> None:
    rows = {"TRADE-*": "T", "TRADE-VIP*": "V", "TRADE-1": "ONE", "Free  Gift": "F"}
    mappings = Mappings({"allowances": {"shop": rows}})
    said = ["TRADE-1", "trade-1", "TRADE-2", "trade-vip-9", "free gift", "TRADE"]
    codes = [mappings.code("allowances", "shop", name) for name in said]
    assert codes == ["ONE", "ONE", "T", "V", "F", None]


def test_the_first_of_several_keys_wins_and_an_exact_one_before_a_pattern() -> None:
    mappings = Mappings({"tax_codes": {"shop": {"VAT/GB": "GB", "VAT": "V", "VAT*": "ANY"}}})
    assert mappings.code("tax_codes", "shop", "VAT/GB/0.2", "VAT/GB", "VAT") == "GB"
    assert mappings.code("tax_codes", "shop", "VAT/FR", "VAT") == "V"


def test_a_division_is_a_code_or_a_table_or_itself(tmp_path: Path) -> None:
    text = '[default]\nWOM = "ECM"\nMEN = {division = "MEN", department = "200"}\n\n[outlet]\n"*" = "*"\n'
    mappings = load(tables(tmp_path, divisions=text))
    assert mappings.division("shop", "WOM") == Division(division="ECM")
    assert mappings.division("shop", "MEN") == Division(division="MEN", department="200")
    assert mappings.division("shop", "KID") is None
    assert mappings.division("outlet", "KID") == Division(division="KID")


def test_an_absent_table_answers_nothing(tmp_path: Path) -> None:
    mappings = load(tmp_path)
    assert mappings.code("terms", "shop", "card") is None
    assert not mappings.has_rows("terms", "shop")


# --- mistakes ------------------------------------------------------------------------------------------------------


def test_every_mistake_of_every_table_is_told_at_once(tmp_path: Path) -> None:
    folder = tables(
        tmp_path,
        ship_via='[shop]\nStandard = "UPG"\nExpress = 2\n',
        terms='[shop]\ncard = "PRE"\ncard = "PRE"\n',
        customers='[shop]\nusd = "SHOPUSD"\nEUR = " "\n',
        divisions='[default]\nWOM = {division = "WOM", departement = "1"}\n',
        charges='[default]\ngiftcard = "GC"\n"fee/Gift wrap" = "WRAP"\n',
        warehouses='NJ = "NJ1"\n',
        shipvia='[shop]\nStandard = "UPG"\n',
    )
    told = mistakes(folder)
    assert len(told) == 8
    said = "\n".join(told)
    for expected in (
        "shipvia.toml: there is no such table (did you mean 'ship_via'?)",
        "charges.toml: [default] 'giftcard': not a charge (did you mean 'gift_card'?)",
        "customers.toml: [shop] 'usd': not a currency code (did you mean 'USD'?)",
        "customers.toml: [shop] 'EUR': an empty code",
        "did you mean 'department'?",
        "ship_via.toml: [shop] 'Express': Input should be a valid string",
        "warehouses.toml: NJ: stands outside a section (put [default] above it)",
        "terms.toml: not readable as TOML",
    ):
        assert expected in said
    assert "line 3" in next(line for line in told if line.startswith("terms"))


def test_a_section_for_no_connection_is_a_mistake_with_a_suggestion(tmp_path: Path) -> None:
    folder = tables(tmp_path, ship_via='[shopify_uss]\nStandard = "UPG"\n')
    assert mistakes(folder, "shopify_us") == [
        "ship_via.toml: [shopify_uss]: no connection has this name (did you mean 'shopify_us'?)"
    ]
    assert load(folder).code("ship_via", "shopify_uss", "Standard") == "UPG"


def test_a_pattern_of_skus_is_a_mistake(tmp_path: Path) -> None:
    folder = tables(tmp_path, skus='[shop]\n"DRESS-*" = "012345678905"\n')
    assert mistakes(folder) == ["skus.toml: [shop] 'DRESS-*': a pattern: many SKUs are never one UPC (a row for each)"]


def test_the_same_key_in_two_cases_is_a_mistake(tmp_path: Path) -> None:
    folder = tables(tmp_path, allowances='[shop]\nWELCOME10 = "A"\nwelcome10 = "B"\n')
    assert mistakes(folder) == [
        "allowances.toml: [shop] 'welcome10': says again what 'WELCOME10' says (keep one of the two)"
    ]


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    assert "there is no such folder" in mistakes(tmp_path / "nowhere")[0]


# --- changes -------------------------------------------------------------------------------------------------------


def test_a_changed_row_is_named_by_its_cause() -> None:
    old = Mappings({"ship_via": {"shop": {"Standard": "UPG"}}, "terms": {"default": {"card": "PRE"}}})
    new = old.with_value("ship_via", "shop", "Overnight", "FXO").with_value("terms", "default", "card", "NET")
    assert changed(old, new, "shop") == {"ship_via/Overnight", "terms/card"}
    assert changed(new, old, "shop") == {"ship_via/Overnight", "terms/card"}
    assert changed(old, new, "other") == {"terms/card"}
    assert changed(old, old, "shop") == set()


@pytest.mark.parametrize(
    ("change", "cause", "is_freed"),
    [
        ("ship_via/Overnight", "ship_via/Overnight", True),
        ("ship_via/overnight", "ship_via/Overnight", True),
        ("ship_via/Over*", "ship_via/Overnight", True),
        ("ship_via/Overnight", "ship_via/Standard", False),
        ("terms/Overnight", "ship_via/Overnight", False),
        ("divisions/*", "divisions/KID", True),
        ("tax_codes/VAT", "tax_codes/VAT/GB", True),
        ("tax_codes/VAT/GB/0.2", "tax_codes/VAT/GB", True),
        ("tax_codes/VAT/FR", "tax_codes/VAT/GB", False),
        ("tax_codes/City Tax", "tax_codes/City Tax + State Tax", True),
        ("charges/fee", "charges/fee/Gift wrap", True),
        ("charges/tip", "charges/fee/Gift wrap", False),
        ("warehouses/NJ", "", False),
    ],
)
def test_a_change_frees_what_it_may_answer(change: str, cause: str, is_freed: bool) -> None:
    assert freed({change}, [cause, "sku/012345678905"]) == ({cause} if is_freed else set())


# --- writing -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_sorted_and_keeps_the_head(tmp_path: Path) -> None:
    head = "# Ship via\n#\n# Ask Anna before changing.\n\n"
    folder = tables(tmp_path, ship_via=f'{head}[shop]\nStandard = "UPG"  # inline\n[default]\nExpress = "UP2"\n')
    mappings = load(folder).with_value("ship_via", "shop", "Overnight", "FXO")
    assert write(mappings, folder) == ["ship_via"]
    text = (folder / "ship_via.toml").read_text(encoding="utf-8")
    assert text == f'{head}[default]\nExpress = "UP2"\n\n[shop]\nOvernight = "FXO"\nStandard = "UPG"\n'
    assert load(folder) == mappings
    assert write(mappings, folder) == []
    assert sorted(path.name for path in folder.iterdir()) == ["ship_via.toml"]


def test_a_row_is_set_in_the_spelling_it_is_set_in(tmp_path: Path) -> None:
    mappings = Mappings({"allowances": {"shop": {"welcome10": "A"}}}).with_value("allowances", "shop", "WELCOME10", "B")
    assert mappings.tables["allowances"]["shop"] == {"WELCOME10": "B"}
    write(mappings, tmp_path)
    assert load(tmp_path) == mappings


def test_a_division_is_written_as_it_was(tmp_path: Path) -> None:
    text = '[default]\nWOM = "WOM"\nMEN = {division = "MEN", department = "200"}\n'
    mappings = load(tables(tmp_path, divisions=text)).with_value("divisions", "default", "KID", "KID")
    write(mappings, tmp_path)
    assert load(tmp_path) == mappings
    assert load(tmp_path).division("shop", "MEN") == Division(division="MEN", department="200")


def test_unicode_quotes_and_spaces_survive(tmp_path: Path) -> None:
    mappings = Mappings().with_value("allowances", "shop", 'Été "50 %" & more/less', "SUMM")
    write(mappings, tmp_path)
    assert load(tmp_path) == mappings


def test_what_a_person_broke_is_not_overwritten(tmp_path: Path) -> None:
    folder = tables(tmp_path, terms="[shop\n")
    with pytest.raises(Misconfigured):
        write(Mappings(), folder)
    assert (folder / "terms.toml").read_text(encoding="utf-8") == "[shop\n"


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("shipvia", "Standard", "UPG"),
        ("customers", "usd", "SHOPUSD"),
        ("charges", "giftcard", "GC"),
        ("terms", "card", " "),
        ("terms", "", "PRE"),
    ],
)
def test_a_row_that_could_not_be_loaded_cannot_be_set(table: str, key: str, value: str) -> None:
    with pytest.raises(Misconfigured):
        Mappings().with_value(table, "shop", key, value)


# --- the tables that come with it ----------------------------------------------------------------------------------

SHOP = "shopify_us"


def test_the_shipped_tables_cover_what_the_sandbox_sells() -> None:
    mappings = load(SHIPPED)
    houses = {account.currency: account.code for account in catalogue.HOUSE_ACCOUNTS}
    assert {currency: mappings.code("customers", SHOP, currency) for currency in houses} == houses
    for warehouse in (one for one in catalogue.WAREHOUSES if one.location):
        assert mappings.code("warehouses", SHOP, warehouse.location) == warehouse.code
    shippers = {shipper.code for shipper in catalogue.SHIPPERS}
    assert {mappings.code("ship_via", SHOP, title) for title in catalogue.SHIPPING_TITLES} == shippers
    for division in catalogue.DIVISIONS:
        assert mappings.division(SHOP, division.code) == Division(division=division.code)
    discounts = [*(discount.code for discount in catalogue.DISCOUNT_CODES), catalogue.AUTOMATIC_DISCOUNT]
    assert all(mappings.code("allowances", SHOP, name) for name in discounts)
    assert all(mappings.code("terms", SHOP, gateway) for gateway in (*catalogue.GATEWAYS, "(none)"))
    assert all(mappings.code("tax_codes", SHOP, title) for title in (*catalogue.TAX_TITLES, "(none)"))
    assert all(mappings.code("charges", SHOP, kind) for kind in ("gift_card", "tip", "duty", "fee", "rounding"))


def test_every_shipped_table_says_at_its_head_what_it_is_for() -> None:
    files = sorted(SHIPPED.glob("*.toml"))
    assert {file.stem for file in files} == set(TABLES)
    assert all(file.read_text(encoding="utf-8").startswith("# ") for file in files)
