"""Reading over HTTP: what is asked, what each answer means, and what no message or log line may show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from aiohttp import web

from bcbridge.connectors.base import Erp
from bcbridge.errors import BridgeError, Malformed, OpenCircuit, Retry
from bcbridge.model.catalog import ShipVia, Warehouse
from bcbridge.model.documents import Document
from bcbridge.model.ids import Ref
from tests.connectors.bluecherry.gateway import KEY, Answer, Call, calling, headers, ok, said
from tests.connectors.bluecherry.season import order_row, style_row

VERSION = {"version": "9.1", "data": {"header": []}}


async def styles(connector: Erp, since: str = "") -> list[Document]:
    return [one async for page in connector.styles.lists[0].pages(since) for one in page.documents]


def one_page(*rows: object) -> Answer:
    return lambda call: headers(*rows) if call.query["_pgno"] == "1" else headers()


# -- what is asked ---------------------------------------------------------------------------------------------


async def test_a_ping_is_one_pick_with_the_key_and_looks_for_the_version() -> None:
    async with calling(lambda call: ok(VERSION)) as (connector, erp):
        await connector.ping()
    (call,) = erp.calls
    assert (call.method, call.path, call.query) == ("GET", "/EXAMPL/api/pick", {"_pgno": "1", "_pgsize": "1"})
    assert call.headers["ocp-apim-subscription-key"] == KEY
    assert "ocp-apim-trace" not in call.headers


@pytest.mark.parametrize(
    ("placement", "path", "query"),
    [("path", "/EXAMPL/STAGE/api/pick", None), ("query", "/EXAMPL/api/pick", "STAGE")],
)
async def test_the_environments_code_goes_where_it_is_said(placement: str, path: str, query: str | None) -> None:
    changes = {"environment_code": "STAGE", "environment_code_placement": placement, "key_header_name": "X-Key"}
    async with calling(lambda call: ok(VERSION), **changes) as (connector, erp):
        await connector.ping()
    assert (erp.calls[0].path, erp.calls[0].query.get("env")) == (path, query)
    assert erp.calls[0].headers["x-key"] == KEY


async def test_a_delta_is_asked_in_the_erps_local_time_with_its_children() -> None:
    async with calling(one_page(style_row())) as (connector, erp):
        cursor = [page.cursor async for page in connector.styles.lists[0].pages("")][-1]
        erp.calls.clear()
        await styles(connector, cursor)
    assert erp.calls[0].query == {
        "_pgno": "1",
        "_pgsize": "100",
        "_include": "all",
        "$filter": "last_mod gt '2026-02-01 07:55:00'",
    }


async def test_one_style_is_fetched_by_its_key_and_one_that_is_gone_is_absent() -> None:
    def answer(call: Call) -> web.Response:
        return headers(style_row()) if call.query["pkey"] == "10001" else headers()

    async with calling(answer) as (connector, erp):
        found = await connector.styles.fetch([Ref("10001"), Ref("7"), Ref("10001")])
    assert [document.ref for document in found] == ["10001"]
    assert [call.query for call in erp.calls] == [
        {"_include": "all", "pkey": "10001"},
        {"_include": "all", "pkey": "7"},
    ]


async def test_a_gateway_that_ignores_the_key_filter_does_not_pass_another_style_for_it() -> None:
    async with calling(lambda call: headers(style_row(), style_row(10002))) as (connector, _):
        assert await connector.styles.fetch([Ref("7")]) == []


# -- what comes of it ------------------------------------------------------------------------------------------


async def test_a_style_is_a_document_with_its_stamp_in_utc_and_reads_to_skus() -> None:
    async with calling(one_page(style_row())) as (connector, _):
        (document,) = await styles(connector)
        skus = connector.styles.read(document)
    assert (document.ref, document.modified) == ("10001", datetime(2026, 2, 1, 13, 0, tzinfo=UTC))
    assert [sku.upc for sku in skus] == ["040123000013", "040123000020"]


async def test_masters_are_lists_read_whole() -> None:
    locations = [
        {"pkey": 1, "location": "NJ1", "loc_name": "New Jersey", "loc_type": "W"},
        {"pkey": 2, "location": "POE", "loc_name": "Port", "loc_type": "P"},
    ]
    shippers = [{"pkey": 5, "shipper": "UPG", "ship_name": "UPS Ground"}]

    def answer(call: Call) -> web.Response:
        rows: list[dict[str, Any]] = {"/EXAMPL/api/Location": locations, "/EXAMPL/api/Shipper": shippers}[call.path]
        return ok({"data": rows if call.query["_pgno"] == "1" else []})

    async with calling(answer) as (connector, erp):
        places = [one async for page in connector.warehouses.lists[0].pages("") for one in page.documents]
        ways = [one async for page in connector.ship_vias.lists[0].pages("") for one in page.documents]
        assert [connector.warehouses.read(one) for one in places] == [Warehouse(code="NJ1", name="New Jersey")]
        assert [connector.ship_vias.read(one) for one in ways] == [ShipVia(code="UPG", name="UPS Ground")]
        assert [one.ref for one in await connector.ship_vias.fetch([Ref("5"), Ref("6")])] == ["5"]
    assert erp.calls[0].filter == "loc_type eq 'W'"


async def test_one_odd_document_is_kept_with_its_bytes_and_the_rest_goes_on() -> None:
    rows = [style_row(1), "nonsense", style_row(3, style=417), {"pkey": 4}, style_row(5), style_row(6, last_mod="soon")]
    async with calling(one_page(*rows)) as (connector, _):
        documents = await styles(connector)
        good, odd = [], []
        for document in documents:
            try:
                good.append(connector.styles.read(document)[0].style)
            except Malformed:
                odd.append(document)
    assert good == ["1", "5", "6"]
    assert [document.ref for document in odd] == [odd[0].ref, "3", "4"]
    assert b"nonsense" in odd[0].body


async def test_a_filler_for_a_stamp_neither_stops_a_list_nor_moves_its_cursor() -> None:
    rows = [style_row(1), style_row(2, last_mod="9999-12-31 23:59:59")]
    async with calling(one_page(*rows)) as (connector, _):
        pages = [page async for page in connector.styles.lists[0].pages("")]
    assert [document.ref for page in pages for document in page.documents] == ["1", "2"]
    assert "9999" not in pages[-1].cursor


@pytest.mark.parametrize(
    ("answer", "decision", "by_content"),
    [
        (said(401, {"statusCode": 401, "message": f"Access denied, key {KEY}"}), OpenCircuit, False),
        (said(403, {"statusCode": 403, "message": "Out of call volume quota"}), OpenCircuit, False),
        (said(404, {"statusCode": 404, "message": "Resource not found"}), OpenCircuit, False),
        (said(400, {"message": "bad filter"}), OpenCircuit, False),
        (said(429, {"statusCode": 429, "message": "Rate limit is exceeded"}, Retry_After="7"), Retry, False),
        (said(500, b"<html>oops</html>"), Retry, False),
        (said(502, b""), Retry, False),
        (ok({"errors": [{"errorMessage": "deadlocked, try again"}]}), Retry, False),
        (ok({"message": "the ERP is being backed up"}), Retry, False),
        (ok(b"<html>welcome</html>"), OpenCircuit, True),
        (ok([]), OpenCircuit, True),
        (ok({}), OpenCircuit, True),
        (ok({"data": []}), OpenCircuit, True),
        (ok({"data": {"rows": []}}), OpenCircuit, True),
        (ok({"data": {"header": {"pkey": 1}}}), OpenCircuit, True),
        (headers({"pkey": 1, "last_mod": "2026-02-01 08:00:00"}), OpenCircuit, True),
        (headers(*(style_row(None) for _ in range(4)), style_row(1), style_row(2)), OpenCircuit, True),
    ],
)
async def test_an_answer_becomes_the_right_decision(
    answer: web.Response, decision: type[BridgeError], by_content: bool
) -> None:
    async with calling(lambda call: answer) as (connector, _):
        with pytest.raises(decision) as told:
            await styles(connector)
    assert getattr(told.value, "by_content", False) == by_content
    assert KEY not in str(told.value)


async def test_what_the_gateway_says_is_told() -> None:
    answer = said(403, {"statusCode": 403, "message": "Out of call volume quota"}, Retry_After="60")
    async with calling(lambda call: answer) as (connector, _):
        with pytest.raises(OpenCircuit, match="Out of call volume quota") as told:
            await connector.ping()
    assert told.value.after == timedelta(seconds=60)


async def test_a_master_in_the_envelope_of_a_document_is_a_contract_break() -> None:
    async with calling(lambda call: headers({"pkey": 1, "location": "NJ1"})) as (connector, _):
        with pytest.raises(OpenCircuit) as told:
            async for _ in connector.warehouses.lists[0].pages(""):
                pass
    assert told.value.by_content


async def test_a_credential_check_without_version_is_no_bluecherry() -> None:
    async with calling(lambda call: headers()) as (connector, _):
        with pytest.raises(OpenCircuit) as told:
            await connector.ping()
    assert told.value.by_content


async def test_in_quiet_hours_no_call_is_made_and_the_end_is_told() -> None:
    async with calling(lambda call: ok(VERSION), quiet_windows=["09:00-11:30"]) as (connector, erp):
        for call in (connector.ping, lambda: styles(connector), lambda: connector.sales_orders.put(b"[{}]")):
            with pytest.raises(OpenCircuit) as told:
                await call()
            assert told.value.after == timedelta(hours=1, minutes=30)
            assert told.value.planned
            assert not told.value.by_content
    assert erp.calls == []


async def test_no_log_line_shows_the_key_or_a_customer() -> None:
    rows = one_page(order_row(orderaddress={"rows": [{"name": "Ann Shopper"}]}), order_row(pkey=7, ord_num=""))
    with structlog.testing.capture_logs() as lines:
        async with calling(rows) as (connector, _):
            async for _ in connector.sales_orders.posted(""):
                pass
    assert {line["event"] for line in lines} == {"wire", "rows that cannot be read"}
    assert not any(word in str(lines) for word in (KEY, "Ann", "SU1001P1G1"))
