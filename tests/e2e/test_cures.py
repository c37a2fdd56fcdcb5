"""What is blocked is freed when its cause is cured, by whichever hand, and never before: three first, then the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.world import CHANNEL, World, world

pytestmark = pytest.mark.timeout(300)

SHIRT = "040123000013"
NEW_UPC = "040123099990"
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One running bridge for all: every test has causes of its own. In the end the books must agree."""
    with world(tmp_path_factory.mktemp("cures")) as one:
        one.run_bridge()
        yield one
        one.all_booked(within=PATIENCE_SECONDS)
        assert one.judged().wrong == ()


def place(one: World, count: int, **cart: object) -> list[str]:
    """So many orders alike; returns their names."""
    return [one.order(**{"lines": [{"sku": SHIRT}], **cart})["name"] for _ in range(count)]


def all_blocked(one: World, names: list[str], *codes: str) -> None:
    one.comes(lambda: set(names) <= one.in_state("blocked"), "they are blocked", within=PATIENCE_SECONDS)
    assert all(one.codes(name) == sorted(codes) for name in names)
    assert not set(names) & one.booked_names()


def are_booked(one: World, names: list[str]) -> None:
    one.comes(lambda: set(names) <= one.in_state("booked"), f"{names} are booked", within=PATIENCE_SECONDS)
    assert set(names) <= one.booked_names()


def turns(one: World, names: list[str], kind: str) -> list[str]:
    """When each of these orders had its last event of a kind, oldest first."""
    found = one.rows(
        "SELECT name, max(at) AS at FROM events JOIN orders ON orders.id = order_id WHERE kind = ? GROUP BY name", kind
    )
    return sorted(row["at"] for row in found if row["name"] in names)


def set_mapping(one: World, table: str, key: str, value: str) -> None:
    one.did("mappings", "set", table, key, value, "--channel", CHANNEL, "--yes")


def test_a_row_set_by_command_frees_three_first_and_then_the_rest(shop: World) -> None:
    names = place(shop, 8, shipping={"title": "Drone", "price": "19.00"})
    all_blocked(shop, names, "no_ship_via")
    assert {"table": "ship_via", "key": "Drone"}.items() <= shop.did("mappings", "unmapped")[0].items()
    set_mapping(shop, "ship_via", "Drone", "FXO")
    are_booked(shop, names)
    freed, booked = turns(shop, names, "released"), turns(shop, names, "booked")
    assert len(freed) == len(booked) == 8
    assert freed[2] < booked[0], "the first three go together"
    assert max(sorted(booked)[:3]) < freed[3], "the rest waits until they are booked"
    assert {document["shipper"] for document in shop.booked() if document["altpo"] in names} == {"FXO"}


def test_a_row_written_into_the_file_by_hand_frees_them_by_itself(shop: World) -> None:
    discounted = place(shop, 2, discounts=[{"code": "FRIEND-1", "percent": "10"}])
    canadian = place(shop, 2, currency="CAD", rate="0.72")
    all_blocked(shop, discounted, "no_allowance")
    all_blocked(shop, canadian, "no_house_account")
    for table, row in (("allowances", '"FRIEND-*" = "FRIEND"'), ("customers", 'CAD = "SHOPUSD"')):
        file = shop.mappings / f"{table}.toml"
        file.write_text(f"{file.read_text()}{row}\n")
    are_booked(shop, discounted + canadian)


def test_the_erps_style_master_frees_what_it_did_not_know_or_had_switched_off(shop: World) -> None:
    style = next(one for one in shop.books(shop.erp, "styles") if one["style"] == "00401")
    archived = style["styledetail"]["rows"][0]["stylecolorsizes"]["rows-i"][0]["upc"]
    unknown = place(shop, 2, lines=[{"sku": NEW_UPC, "barcode": NEW_UPC, "title": "New in", "price": "40.00"}])
    inactive = place(shop, 2, lines=[{"sku": archived}])
    both = place(shop, 1, lines=[{"sku": archived}, {"sku": NEW_UPC, "barcode": NEW_UPC, "price": "40.00"}])
    all_blocked(shop, unknown, "unknown_sku")
    all_blocked(shop, inactive, "inactive_sku")
    all_blocked(shop, both, "inactive_sku", "unknown_sku")
    skus = [{"upc": NEW_UPC, "color_code": "BLK", "size_desc": "XXL"}]
    shop.style("00417", skus=skus)
    are_booked(shop, unknown)
    shop.comes(lambda: shop.codes(both[0]) == ["inactive_sku"], "one fault less, and still blocked")
    assert not set(both + inactive) & shop.booked_names()
    shop.style("00401", active_ok="Y")
    are_booked(shop, inactive + both)


def test_a_refusal_by_the_erp_stops_a_release_and_a_retry_ends_it(shop: World) -> None:
    names = place(shop, 6, shipping={"title": "Pigeon", "price": "1.00"})
    all_blocked(shop, names, "no_ship_via")
    shop.faults(shop.erp, once={"refuse_errorMessage": 1})
    set_mapping(shop, "ship_via", "Pigeon", "USP")
    shop.comes(lambda: "release_stopped" in shop.incidents(), "the release is stopped", within=PATIENCE_SECONDS)
    shop.comes(lambda: len(set(names) & shop.in_state("booked")) == 2, "the other two of the first go on")
    refused = [name for name in names if shop.states()[name][1] == "erp_refused"]
    waiting = [name for name in names if shop.states()[name] == ("blocked", "no_ship_via")]
    assert (len(refused), len(waiting)) == (1, 3)
    for act in ("hold", "release"):  # they are looked at again, and judged well: that alone sends nobody
        shop.change(waiting[0], act)
    groups = {group["code"]: group for group in shop.did("exceptions")["groups"]}
    assert any(code == "erp_refused" for code in groups)
    assert shop.did("retry", *refused, "--yes")["done"] == 1
    are_booked(shop, refused)
    assert shop.did("retry", "--cause", "ship_via/Pigeon", "--yes")["done"] == 3
    are_booked(shop, names)
    assert "release_stopped" not in shop.incidents()


def test_a_bad_file_is_refused_whole_and_the_old_rows_stay_in_force(shop: World) -> None:
    waiting = place(shop, 1, shipping={"title": "Balloon", "price": "1.00"})
    all_blocked(shop, waiting, "no_ship_via")
    file = shop.mappings / "ship_via.toml"
    good = file.read_text()
    file.write_text(f"{good}Balloon = 7\n")
    shop.comes(lambda: "mappings_refused" in shop.incidents(), "the file is refused", within=PATIENCE_SECONDS)
    are_booked(shop, place(shop, 1))
    said = shop.cli("mappings", "set", "terms", "cash", "NET0", "--channel", CHANNEL, "--yes", "--json")
    assert said.returncode != 0
    assert "Balloon" in said.stdout
    assert shop.cli("check").returncode == 2
    assert shop.states()[waiting[0]] == ("blocked", "no_ship_via")
    file.write_text(f'{good}Balloon = "UPG"\n')
    are_booked(shop, waiting)
    assert "mappings_refused" not in shop.incidents()


def test_a_skipped_order_stays_so_whatever_is_cured_until_somebody_retries_it(shop: World) -> None:
    names = place(shop, 2, shipping={"title": "Kayak", "price": "1.00"})
    all_blocked(shop, names, "no_ship_via")
    assert shop.did("skip", names[0], "--why", "sold at the desk", "--yes")["done"] == 1
    set_mapping(shop, "ship_via", "Kayak", "UPG")
    are_booked(shop, names[1:])
    assert shop.states()[names[0]] == ("never", "skipped")
    story = shop.did("show", names[0])
    assert "sold at the desk" in str(story)
    assert names[0] not in shop.booked_names()
    shop.did("retry", names[0], "--yes")
    are_booked(shop, names)
