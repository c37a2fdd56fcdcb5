"""The doctor names what an operator must know, also where half of the ERP does not answer."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bcbridge.connectors.base import Finding, Severity
from tests.connectors.bluecherry.gateway import KEY, Answer, Call, Orders, calling, headers, ok, said
from tests.connectors.bluecherry.season import order_row, style_row

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
    } | changed

    def answer(call: Call) -> web.Response:
        return parts[call.path.rpartition("/")[2]](call)

    return answer


def _first(call: Call) -> int:
    """All rows on page 1, none behind it."""
    return 9 if call.query["_pgno"] == "1" else 0


async def findings(answer: Answer, **changes: Any) -> list[Finding]:
    async with calling(answer, **changes) as (connector, _):
        return await connector.doctor()


def errors(found: list[Finding]) -> set[str]:
    return {one.topic for one in found if one.severity is Severity.ERROR}


async def test_an_erp_in_good_order_has_no_error_and_its_assumed_resources_are_named() -> None:
    found = await findings(erp())
    assert errors(found) == set()
    assert [one.topic for one in found if one.severity is Severity.WARNING] == ["resource order", "resource inventory"]
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
