"""The sink: what an answer to a post means, and when a read-back that finds nothing may be believed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog
from aiohttp import web

from bcbridge.connectors.base import Erp, Found, Unproven
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, Rejected
from bcbridge.model.ids import Reference
from tests.connectors.bluecherry.gateway import KEY, Answer, Call, Orders, calling, headers, ok, said
from tests.connectors.bluecherry.season import order, order_row

MINE = Reference("SU1001P1G1")
OTHER = Reference("SU1002P1G1")


def wholesale(many: int = 3) -> list[dict[str, Any]]:
    return [order_row(f"MACYS-{number}", 1000 + number) for number in range(many)]


async def put(answer: Answer, body: bytes = b'[{"po_num":"SU1001P1G1"}]') -> object:
    async with calling(answer) as (connector, _):
        return await connector.sales_orders.put(body)


# -- making one ------------------------------------------------------------------------------------------------


async def test_the_bytes_are_sent_as_they_are_and_the_receipt_is_kept() -> None:
    async with calling(lambda call: ok({"pkey": 900001})) as (connector, erp):
        body = connector.sales_orders.render(order())
        assert await connector.sales_orders.put(body) == Accepted("900001")
    (call,) = erp.calls
    assert (call.method, call.path, call.body) == ("POST", "/EXAMPL/api/order", body)
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, {"errors": [{"errorMessage": "a"}, {"errorMessage": "b"}]}, Rejected(("a", "b"))),
        (200, {"errors": [{"message": "a"}]}, Rejected(("a",))),
        (200, {"message": [{"message": "a"}, {"message": "b"}]}, Rejected(("a", "b"))),
        (200, {"message": "a"}, Rejected(("a",))),
        (201, {"pkey": "7", "message": "created"}, Accepted("7")),
        (200, {"pkey": 7, "errors": []}, Accepted("7")),
        (400, {"errors": [{"errorMessage": "a"}]}, Rejected(("a",))),
        (409, {"message": "duplicate"}, Rejected(("duplicate",))),
        (422, {"message": [{"message": "a"}]}, Rejected(("a",))),
        (429, {"statusCode": 429, "message": "Rate limit"}, NotSent("answered 429")),
    ],
)
async def test_an_answer_to_a_post_is_read_to_its_end(status: int, body: object, answer: object) -> None:
    assert await put(lambda call: said(status, body)) == answer


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (200, {"data": {}}),
        (200, {"pkey": None}),
        (200, {"pkey": 7, "errors": [{"errorMessage": "a"}]}),
        (200, b"<html>ok</html>"),
        (200, b""),
        (200, []),
        (400, b"<html>bad</html>"),
        (400, {}),
        (422, {"pkey": 7}),
        (408, {}),
        (500, {"message": "oops"}),
        (502, b"<html>"),
        (504, {"errors": [{"message": "timeout"}]}),
        (302, b""),
    ],
)
async def test_what_says_neither_yes_nor_no_is_a_doubt(status: int, body: object) -> None:
    assert isinstance(await put(lambda call: said(status, body)), Doubtful)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415])
async def test_not_let_in_opens_the_circuit_and_nothing_was_kept(status: int) -> None:
    with pytest.raises(OpenCircuit) as told:
        await put(lambda call: said(status, {"message": f"denied for {KEY}"}))
    assert KEY not in str(told.value)


async def test_an_answer_lost_on_the_way_is_a_doubt() -> None:
    def hang_up(call: Call) -> web.Response:
        raise asyncio.CancelledError

    assert isinstance(await put(hang_up), Doubtful)


async def test_a_refusal_does_not_hand_on_what_it_quotes_of_the_customer() -> None:
    text = f"Zip of ANN SHOPPER, 1 High Street (ann@example.com) unknown; key {KEY}"
    with structlog.testing.capture_logs() as lines:
        async with calling(lambda call: ok({"errors": [{"errorMessage": text}]})) as (connector, _):
            answer = await connector.sales_orders.put(connector.sales_orders.render(order()))
    assert answer == Rejected(("Zip of (customer), (customer) ((customer)) unknown; key (key)",))
    assert not any(word in str(lines) for word in (KEY, "Ann", "SU1001P1G1"))


async def test_not_let_in_does_not_hand_on_what_is_quoted_of_the_customer() -> None:
    refused = said(403, {"message": "no call for Ann Shopper, 1 High Street"})
    async with calling(lambda call: refused) as (connector, _):
        with pytest.raises(OpenCircuit, match=r"no call for \(customer\), \(customer\)"):
            await connector.sales_orders.put(connector.sales_orders.render(order()))


# -- finding it again ------------------------------------------------------------------------------------------


async def find(answer: Answer, *references: Reference, **changes: Any) -> Found | Unproven:
    async with calling(answer, **changes) as (connector, _):
        return await connector.sales_orders.find(references)


async def test_absence_counts_between_a_control_that_is_found_and_a_nonsense_that_is_not() -> None:
    async with calling(Orders([*wholesale(), order_row(MINE)])) as (connector, erp):
        found = await connector.sales_orders.find([MINE, OTHER])
    assert isinstance(found, Found)
    assert [len(found.hits[one]) for one in (MINE, OTHER)] == [1, 0]
    assert found.hits[MINE][0].number == "0100201"
    asked = [call.filter for call in erp.calls if " eq " in call.filter]
    control = f"po_num eq '{MINE}'"  # the latest order the ERP lists
    assert asked[1].startswith("po_num eq 'NOSUCH")
    assert [*asked[:1], *asked[2:]] == [control, f"po_num eq '{MINE}'", f"po_num eq '{OTHER}'", control]


async def test_the_control_is_asked_again_in_every_read_back() -> None:
    erp = Orders(wholesale())
    async with calling(erp) as (connector, _):
        assert isinstance(await connector.sales_orders.find([MINE]), Found)
        erp.rows = []
        assert isinstance(await connector.sales_orders.find([MINE]), Unproven)
        erp.rows = [order_row("NEW-1")]
        assert isinstance(await connector.sales_orders.find([MINE]), Found)


async def test_every_hit_is_told_so_that_two_are_seen() -> None:
    found = await find(Orders([*wholesale(), order_row(MINE, 1), order_row(MINE, 2)]), MINE)
    assert [hit.key for hit in found.hits[MINE]] == ["1", "2"]


@pytest.mark.parametrize("rows", [[], [order_row("", 1), order_row("", 2)]])
async def test_without_a_control_absence_means_nothing(rows: list[dict[str, Any]]) -> None:
    assert isinstance(await find(Orders(rows), MINE), Unproven)


async def test_an_old_control_serves_where_nothing_is_recent() -> None:
    assert isinstance(await find(Orders([order_row("MACYS-1", last_mod="2025-01-01 08:00:00")]), MINE), Found)


async def test_a_control_with_a_quote_in_it_is_escaped() -> None:
    async with calling(Orders([order_row("O'NEIL & SONS 7")])) as (connector, erp):
        assert isinstance(await connector.sales_orders.find([MINE]), Found)
    assert "po_num eq 'O''NEIL & SONS 7'" in [call.filter for call in erp.calls]


async def test_an_ignored_filter_proves_nothing_and_doubles_nothing() -> None:
    rows = [*wholesale(), order_row(MINE)]
    found = await find(lambda call: headers(*rows), MINE, OTHER)
    assert isinstance(found, Unproven)
    assert [len(found.hits[one]) for one in (MINE, OTHER)] == [1, 0]


async def test_a_filter_that_finds_what_begins_alike_is_not_exact() -> None:
    longer = order_row(f"{MINE}X")

    def answer(call: Call) -> web.Response:
        return headers(longer) if MINE in call.filter else Orders(wholesale())(call)

    found = await find(answer, MINE)
    assert isinstance(found, Unproven)
    assert found.hits[MINE] == ()


async def test_a_control_that_brings_others_along_is_none() -> None:
    rows = [order_row("MACYS-10", 1), order_row("MACYS-1", 2)]

    def begins(call: Call) -> web.Response:
        wanted = call.filter.removeprefix("po_num eq ").strip("'")
        return headers(*(row for row in rows if " eq " not in call.filter or row["po_num"].startswith(wanted)))

    assert isinstance(await find(begins, MINE), Unproven)


async def test_a_search_that_always_answers_the_same_proves_nothing() -> None:
    assert isinstance(await find(lambda call: headers(order_row("MACYS-1")), MINE), Unproven)


async def test_a_search_that_breaks_between_the_controls_proves_nothing() -> None:
    erp = Orders(wholesale())

    def breaks(call: Call) -> web.Response:
        if MINE in call.filter:
            erp.rows = []
        return erp(call)

    assert isinstance(await find(breaks, MINE), Unproven)


async def test_a_hit_that_cannot_be_read_is_no_absence() -> None:
    found = await find(Orders([*wholesale(), order_row(MINE, ord_num="")]), MINE)
    assert isinstance(found, Unproven)


async def test_an_order_listed_but_not_posted_is_neither_found_nor_absent() -> None:
    rows = [*wholesale(), order_row(MINE, ord_status="H")]
    found = await find(Orders(rows), MINE, profile={"statuses_not_posted": ["H"]})
    assert isinstance(found, Unproven)
    assert found.hits[MINE] == ()


@pytest.mark.parametrize(("status", "fault"), [(500, Retry), (401, OpenCircuit)])
async def test_a_search_that_fails_is_no_absence(status: int, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        await find(lambda call: said(status, {}), MINE)


async def test_the_reference_is_asked_for_under_the_customers_own_name() -> None:
    def answer(call: Call) -> web.Response:
        name = "cust_po"
        rows = [{name if key == "po_num" else key: value for key, value in row.items()} for row in wholesale()]
        wanted = call.filter.removeprefix(f"{name} eq ")
        return headers(*(row for row in rows if " eq " not in call.filter or wanted == f"'{row[name]}'"))

    found = await find(answer, MINE, profile={"aliases": {"order": {"po_num": "cust_po"}}})
    assert isinstance(found, Found)


# -- seeing them posted ----------------------------------------------------------------------------------------


async def posted(connector: Erp, since: str = "") -> tuple[list[str], str]:
    seen: list[str] = []
    cursor = since
    async for page in connector.sales_orders.posted(since):
        seen += [order.reference for order in page.orders]
        cursor = page.cursor
    return seen, cursor


async def test_the_first_list_goes_back_a_week_in_the_erps_time() -> None:
    async with calling(Orders(wholesale())) as (connector, erp):
        await posted(connector)
    assert erp.calls[0].filter == "last_mod gt '2026-02-22 09:55:00'"  # seven days, and the overlap


async def test_what_was_posted_since_is_listed_once_more_within_the_overlap() -> None:
    erp = Orders([order_row("A-1", 1, last_mod="2026-03-01 06:00:00"), order_row("A-2", 2)])
    async with calling(erp) as (connector, _):
        seen, cursor = await posted(connector)
        assert seen == ["A-1", "A-2"]
        erp.rows.append(order_row(MINE, 3))  # the very second of the one before
        assert (await posted(connector, cursor))[0] == ["A-2", MINE]


async def test_orders_not_yet_posted_are_not_listed() -> None:
    erp = Orders([order_row("A-1", 1), order_row(MINE, 2, ord_status="H")])
    async with calling(erp, profile={"statuses_not_posted": ["H"]}) as (connector, _):
        assert (await posted(connector))[0] == ["A-1"]


async def test_one_odd_order_does_not_stop_the_list_and_many_do() -> None:
    erp = Orders([order_row("A-1", 1), order_row(MINE, 2), order_row("A-3", 3, ord_num="")])
    async with calling(erp) as (connector, _):
        assert (await posted(connector))[0] == ["A-1", MINE]
        erp.rows = [order_row(f"A-{number}", number, orderdetail={"rows": [{}]}) for number in range(10)]
        with pytest.raises(OpenCircuit) as told:
            await posted(connector)
    assert told.value.by_content
