"""A pool feeds the location it names; one that names none, or several, is told and feeds nothing."""

from __future__ import annotations

from bcbridge.flows.stock.places import places
from bcbridge.flows.stock.settings import StockSettings
from bcbridge.model.ids import Ref
from bcbridge.model.stock import NumberRule, ShelfLocation, ShelfRules

NJ = ShelfLocation(Ref("gid://shopify/Location/1"), "New Jersey DC")
CA = ShelfLocation(Ref("gid://shopify/Location/2"), "California DC")
OLD = ShelfLocation(Ref("3"), "Old store", sells=False)
RULES = ShelfRules(compares=True)


def of(settings: StockSettings, *locations: ShelfLocation) -> tuple[list[tuple[str, tuple[str, ...]]], tuple[str, ...]]:
    found = places("shop", "erp", settings, RULES, locations)
    return [(outlet.location, outlet.warehouses) for outlet in found.outlets], found.wrong


def test_a_location_is_named_by_its_name_or_its_id() -> None:
    settings = StockSettings(pools={"new jersey dc": ("NJ1",), CA.ref: ("CA1", "CA2")})
    assert of(settings, NJ, CA) == ([(NJ.ref, ("NJ1",)), (CA.ref, ("CA1", "CA2"))], ())


def test_the_star_is_the_only_location_that_sells() -> None:
    settings = StockSettings(pools={"*": ("NJ1",)})
    assert of(settings, NJ, OLD) == ([(NJ.ref, ("NJ1",))], ())
    outlets, wrong = of(settings, NJ, CA)
    assert outlets == []
    assert "may be several locations: New Jersey DC, California DC" in wrong[0]


def test_a_pool_for_no_location_is_told_and_the_others_go_on() -> None:
    outlets, wrong = of(StockSettings(pools={"Paris": ("NJ1",), "California DC": ("CA1",)}), NJ, CA)
    assert outlets == [(CA.ref, ("CA1",))]
    assert wrong == ("pools: there is no location 'Paris'; there are: New Jersey DC, California DC",)


def test_what_a_person_set_for_the_channel_is_the_outlets_own_rule() -> None:
    settings = StockSettings(pools={"*": ("NJ1",)}, buffer=2, buffer_percent=10, cap=50, scarce="split", weight=3)
    (outlet,) = places("shop", "erp", settings, RULES, [NJ]).outlets
    assert outlet.rule == NumberRule(buffer=2, percent=10, cap=50, split=True, why="config.toml")
    assert (outlet.weight, outlet.shelf, outlet.erp) == (3, RULES, "erp")
