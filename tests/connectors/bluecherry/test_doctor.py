"""The doctor names what an operator must know, also where half of the ERP does not answer."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bcbridge.connectors.base import Finding, Severity
from tests.connectors.bluecherry.gateway import KEY, Answer, Call, Orders, calling, headers, ok, said
from tests.connectors.bluecherry.season import order_row, stock_row, style_row
from tests.connectors.bluecherry.test_stock import Figures, season

PICK, STYLE, ORDER, LOCATION = (f"/EXAMPL/api/{name}" for name in ("pick", "style", "order", "Location"))


def erp(**changed: Answer) -> Answer:
    """An ERP in good order, but for what a test changes."""
    parts: dict[str, Answer] = {
        "pick": lambda call: ok({"version": "9.1", "data": {"header": []}}),
        "style": lambda call: headers(style_row()) if call.query["_pgno"] == "1" else headers(),
        "order": Orders([order_row("MACYS-1")]).__call__,
        "Location": lambda call: (
            ok({"data": [{"pkey": 1, "location": "NJ1", "loc_type": "W"}]})
            if call.query["_pgno"] == "1"
            else ok({"data": []})
        ),
        "inventory": Figures([stock_row()]).__call__,
    } | changed

    def answer(call: Call) -> web.Response:
        return parts[call.path.rpartition("/")[2]](call)

    return answer


def _first(call: Call) -> int:
    """All rows on page 1, none behind it."""
    return 9 if call.query["_pgno"] == "1" else 0


async def findings(answer: Answer, **changes: Any) -> list[Finding]:
    profile = {"stock_watch_seconds": 0.0} | changes.pop("profile", {})
    async with calling(answer, **changes, profile=profile) as (connector, _):
        return await connector.doctor()


def errors(found: list[Finding]) -> set[str]:
    return {one.topic for one in found if one.severity is Severity.ERROR}


async def test_an_erp_in_good_order_has_no_error_and_its_assumed_resources_are_named() -> None:
    found = await findings(erp())
    assert errors(found) == set()
    warned = [one.topic for one in found if one.severity is Severity.WARNING]
    assert warned == ["resource order", "resource invoice", "resource inventory"]
    assert {"version", "time zone", "read-back", "styles", "locations"} <= {one.topic for one in found}


async def test_a_resource_that_fails_does_not_hide_the_others() -> None:
    found = await findings(erp(order=lambda call: said(404, {"message": f"no such API, {KEY}"})))
    assert "connection" in errors(found)
    assert {"version", "styles", "locations"} <= {one.topic for one in found}
    assert KEY not in str(found)


async def test_a_read_back_that_cannot_work_is_an_error() -> None:
    assert errors(await findings(erp(order=Orders([order_row("")])))) == {"read-back"}
    assert errors(await findings(erp(order=lambda call: headers(order_row("MACYS-1"))))) == {"read-back"}


async def test_stamps_in_the_future_show_a_wrong_zone() -> None:
    ahead = Orders([order_row("MACYS-1", last_mod="2026-03-01 15:00:00")])
    assert errors(await findings(erp(order=ahead))) == {"time zone"}
    assert errors(await findings(erp(order=ahead), erp_timezone="UTC")) == set()


async def test_orders_under_other_names_are_an_error_that_points_to_the_aliases() -> None:
    renamed = order_row("MACYS-1")
    renamed["orderdetail"] = {"rows": [{"upc": "1", "qty": 2, "price": 1}]}
    found = await findings(erp(order=Orders([renamed])))
    assert errors(found) == {"orders"}
    assert any("ord_qty" in one.text and "aliases" in one.fix for one in found)


async def test_a_ceiling_below_the_page_size_is_named() -> None:
    rows = [style_row(number) for number in range(1, 8)]

    def three_a_page(call: Call) -> web.Response:
        page = int(call.query["_pgno"])
        return headers(*rows[3 * page - 3 : 3 * page])

    found = await findings(erp(style=three_a_page))
    assert any(one.topic == "page size" and "at most 3 rows" in one.text for one in found)


async def test_a_upc_on_two_skus_and_a_style_that_cannot_be_read_are_errors() -> None:
    def answer(call: Call) -> web.Response:
        rows = (style_row(1), style_row(2, style="00531"), style_row(3, style=7))
        return headers(*rows) if call.query["_pgno"] == "1" else headers()

    found = await findings(erp(style=answer))
    assert errors(found) == {"UPC", "styles"}


async def test_equal_stamps_and_a_missing_warehouse_are_named() -> None:
    orders = Orders([order_row(f"MACYS-{number}", number) for number in range(1, 4)])
    found = await findings(erp(order=orders, Location=lambda call: ok({"data": []})))
    assert errors(found) == {"locations"}
    assert any(one.topic == "last_mod" and "2 of 3" in one.text for one in found)


async def test_a_location_that_cannot_be_read_does_not_hide_the_others() -> None:
    rows = [{"pkey": 1, "location": "NJ1", "loc_type": "W"}, {"pkey": 2, "location": 7, "loc_type": "W"}]
    found = await findings(erp(Location=lambda call: ok({"data": rows if call.query["_pgno"] == "1" else []})))
    assert "locations" in errors(found)
    assert any(one.text == "warehouses: NJ1" for one in found)


# -- figures ---------------------------------------------------------------------------------------------------


def about_stock(found: list[Finding], severity: Severity | None = None) -> str:
    chosen = [one for one in found if one.topic.startswith("stock") and severity in (None, one.severity)]
    return "\n".join(f"{one.text} -> {one.fix}" for one in chosen)


def moving(rows: list[dict[str, Any]], *changes: dict[str, Any]) -> Figures:
    """Before each look but the first at page 1 (the survey is one), the first row changes."""
    figures = Figures(rows)
    left = list(changes)

    def change(asked: int) -> None:
        if left:
            rows[0] |= left.pop(0)

    figures.between = change
    return figures


ROWS = {"page_size_max": 100}


async def test_figures_in_good_order_say_whose_they_are_and_that_nothing_moved() -> None:
    text = about_stock(await findings(erp(inventory=Figures(season(3))), **ROWS))
    assert "3 figures looked at, in NJ1: the ERP's own numbers" in text
    assert "all rows share one last_mod" in text
    assert "no figure moved" in text
    assert "gives no earlier ones" in text


async def test_what_is_left_out_is_named() -> None:
    rows = [*season(1), stock_row("2", 2, location="POE"), stock_row("3", 3, location="RET")]
    found = await findings(erp(inventory=Figures(rows)), **ROWS, profile={"locations_not_for_sale": ["RET"]})
    assert "left out of 3 rows: location POE (1), location RET (1)" in about_stock(found)
    found = await findings(erp(inventory=Figures(rows)), **ROWS, profile={"stock_locations": ["CA1"]})
    assert "no row is stock" in about_stock(found, Severity.ERROR)


async def test_figures_under_other_names_point_to_the_aliases() -> None:
    rows = [{"pkey": 1, "upc": "1", "whse": "NJ1", "avail": 3}]
    text = about_stock(await findings(erp(inventory=Figures(rows)), **ROWS), Severity.ERROR)
    assert "without location" in text
    assert "profile.aliases.inventory" in text


async def test_a_last_mod_that_moves_with_its_figure_may_be_the_ledgers() -> None:
    rows = season(3)
    rows[2]["last_mod"] = "2026-03-01 06:00:00"
    figures = moving(rows, {}, {}, {"ots": 7, "last_mod": "2026-03-01 07:01:00"})
    found = await findings(erp(inventory=figures), **ROWS, profile={"stock_evidence": ["row_ledger"]})
    assert "1 figures moved, each with its last_mod" in about_stock(found)
    assert about_stock(found, Severity.ERROR) == ""


async def test_a_figure_that_moves_under_an_old_last_mod_is_dated_by_nothing() -> None:
    rows = [*season(2), stock_row("3", 3, last_mod="2026-03-01 06:00:00")]
    figures = moving(rows, {}, {}, {"ots": 7})
    found = await findings(erp(inventory=figures), **ROWS, profile={"stock_evidence": ["row_ledger"]})
    assert "moved while their last_mod stood still" in about_stock(found, Severity.ERROR)


async def test_stamps_of_an_export_are_not_the_ledgers() -> None:
    found = await findings(erp(inventory=Figures(season(3))), **ROWS, profile={"stock_evidence": ["row_ledger"]})
    assert "all rows share one last_mod" in about_stock(found, Severity.ERROR)
    rows = [*season(2), stock_row("3", 3, last_mod="2026-03-01 06:00:00")]
    figures = moving(rows, {}, {}, {"last_mod": "2026-03-01 07:01:00"})
    found = await findings(erp(inventory=figures), **ROWS, profile={"stock_evidence": ["row_ledger"]})
    assert "a new last_mod and the same figure" in about_stock(found, Severity.ERROR)


async def test_without_last_mod_the_evidence_must_be_another() -> None:
    rows = season(2, last_mod=None)
    assert "carry no last_mod" in about_stock(await findings(erp(inventory=Figures(rows)), **ROWS), Severity.ERROR)
    found = await findings(erp(inventory=Figures(rows)), **ROWS, profile={"stock_evidence": ["unchanged"]})
    assert about_stock(found, Severity.ERROR) == ""


async def test_the_stamp_of_the_export_is_looked_for() -> None:
    beside = {"built": "2026-03-01 09:45:00", "version": "9.1"}
    found = await findings(erp(inventory=Figures(season(2), beside=beside)), **ROWS)
    assert "may be the stamp of the export: built" in about_stock(found)
    named = {"stock_export_field": "built"}
    found = await findings(erp(inventory=Figures(season(2), beside=beside)), **ROWS, profile=named)
    assert "built names 1 publication" in about_stock(found)
    found = await findings(erp(inventory=Figures(season(2))), **ROWS, profile=named)
    assert "2 of 2 rows come without built" in about_stock(found, Severity.ERROR)


async def test_stamps_ahead_of_our_clock_and_a_deaf_filter_are_errors() -> None:
    ahead = Figures(season(2, last_mod="2026-03-01 10:00:30"))
    assert "30 s ahead of our clock" in about_stock(await findings(erp(inventory=ahead), **ROWS), Severity.ERROR)
    rows = [*season(1), stock_row("2", 2, last_mod="2026-02-01 07:00:00")]
    deaf = await findings(erp(inventory=lambda call: ok({"data": rows if call.query["_pgno"] == "1" else []})))
    assert "its filter by last_mod is not kept" in about_stock(deaf, Severity.ERROR)


async def test_an_erp_without_figures_is_a_warning() -> None:
    found = await findings(erp(inventory=Figures([])))
    assert "no figures at all" in about_stock(found, Severity.WARNING)
