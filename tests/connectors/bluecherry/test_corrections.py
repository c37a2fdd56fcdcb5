"""Corrections of booked orders: what is sent, what an answer means, and what an ERP with such a write makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bcbridge.connectors.base import Corrections, Found, Severity
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.kinds import KINDS
from bcbridge.errors import OpenCircuit
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import CancelledRow, Correction
from bcbridge.model.ids import Reference
from bcbridge.model.order import Address
from bcbridge.model.sales_order import BookedOrder
from tests.connectors.bluecherry import season
from tests.connectors.bluecherry.gateway import KEY, Answer, Call, calling, ok, said, settings
from tests.connectors.bluecherry.season import ANN, UPC
from tests.connectors.bluecherry.test_doctor import erp, findings
from tests.connectors.bluecherry.test_on_sandbox import MINE, World, until, world

NAMED: dict[str, Any] = {"order_changes": "orderchange"}
ELSEWHERE = Address(
    name="Ann Shopper", company="Shopper & Co", address1="9 Oak Avenue", city="Camden", postcode="08101", country="US"
)

WHOLE = {
    "addr_type": "ST",
    "name": "Shopper & Co",
    "contact": "Ann Shopper",
    "addr1": "9 Oak Avenue",
    "addr2": "",
    "city": "Camden",
    "state": "",
    "zipcode": "08101",
    "country": "US",
    "email": "",
    "phone": "",
}
"""Every field of it: what is not said would stay as it was."""


def correction(*levels: tuple[int, int], to: Address | None = None, number: str = "0100201") -> Correction:
    """Of rows so many pieces cancelled all in all; another address."""
    rows = tuple(CancelledRow(line_seq=seq, upc=UPC, cancelled=pieces) for seq, pieces in levels)
    return Correction(reference=Reference(MINE), number=number, rows=rows, ship_to=to)


def of(connector: Any) -> Corrections:
    """What an ERP whose profile names the write has."""
    found = connector.corrections
    assert found is not None
    corrections: Corrections = found
    return corrections


async def put(answer: Answer, asked: Correction) -> PutAnswer:
    async with calling(answer, profile=NAMED) as (connector, _):
        return await of(connector).put(of(connector).render(asked))


# -- where there is such a write --------------------------------------------------------------------------------


async def test_an_erp_has_none_unless_its_profile_names_it() -> None:
    async with calling(lambda call: ok({})) as (connector, _):
        assert connector.corrections is None
    async with calling(lambda call: ok({}), profile=NAMED) as (connector, _):
        assert of(connector).name == "bluecherry.changes"


def test_it_is_confirmed_for_production_like_the_orders_where_it_is_named() -> None:
    writes = KINDS["bluecherry"].writes
    without: BlueCherrySettings = settings("http://127.0.0.1:1")
    assert set(writes("erp", without)) == {"erp.orders"}
    read_back = writes("erp", settings("http://127.0.0.1:1", profile=NAMED))
    assert set(read_back) == {"erp.orders", "erp.changes"}
    assert "/api/order" in read_back["erp.changes"]


async def test_the_doctor_says_which_there_is() -> None:
    for profile, words, warned in ({}, "no write", False), (NAMED, "/api/orderchange", True):
        found = await findings(erp(), profile=dict(profile))
        (one,) = (one for one in found if one.topic == "corrections")
        assert (one.severity, words in one.text) == (Severity.INFO, True)
        assert ("resource changes" in {one.topic for one in found}) is warned


# -- what is sent -----------------------------------------------------------------------------------------------


async def test_levels_and_the_whole_address_are_sent_as_one_array() -> None:
    async with calling(lambda call: ok({"pkey": 200201}), profile=NAMED) as (connector, gateway):
        body = of(connector).render(correction((1, 2), (3, 0), to=ELSEWHERE))
        assert await of(connector).put(body) == Accepted("200201")
    (call,) = gateway.calls
    assert (call.method, call.path, call.body) == ("POST", "/EXAMPL/api/orderchange", body)
    assert json.loads(body) == [
        {
            "po_num": "SU1001P1G1",
            "ord_num": "0100201",
            "orderdetail": {
                "rows": [
                    {"line_seq": 1, "upc": UPC, "cxl_qty": 2},
                    {"line_seq": 3, "upc": UPC, "cxl_qty": 0},
                ]
            },
            "orderaddress": {"rows": [WHOLE]},
        }
    ]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (correction((1, 1)), {"po_num", "ord_num", "orderdetail"}),
        (correction(to=ELSEWHERE), {"po_num", "ord_num", "orderaddress"}),
        (correction((1, 1), to=Address()), {"po_num", "ord_num", "orderdetail"}),
    ],
)
async def test_what_stays_is_not_mentioned(asked: Correction, names: set[str]) -> None:
    async with calling(lambda call: ok({}), profile=NAMED) as (connector, _):
        (document,) = json.loads(of(connector).render(asked))
    assert set(document) == names


async def test_the_orders_own_names_are_used() -> None:
    names = {"cxl_qty": "qty_cancelled", "orderdetail": "lines", "po_num": "cust_po"}
    profile = {**NAMED, "aliases": {"order": names}}
    async with calling(lambda call: ok({}), profile=profile) as (connector, _):
        (document,) = json.loads(of(connector).render(correction((1, 2))))
    assert document == {
        "cust_po": MINE,
        "ord_num": "0100201",
        "lines": {"rows": [{"line_seq": 1, "upc": UPC, "qty_cancelled": 2}]},
    }


# -- what an answer means ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, {"pkey": 7}, Accepted("7")),
        (200, {"errors": [{"errorMessage": "line 1: 2 pieces are picked."}, {"errorMessage": "b"}]},
         Rejected(("line 1: 2 pieces are picked.", "b"))),
        (200, {"message": [{"message": "a"}]}, Rejected(("a",))),
        (200, {"message": "a"}, Rejected(("a",))),
        (422, {"errors": [{"message": "a"}]}, Rejected(("a",))),
        (429, {"statusCode": 429, "message": "Rate limit"}, NotSent("answered 429")),
    ],
)  # fmt: skip
async def test_a_refusal_is_found_wherever_it_hides(status: int, body: object, answer: object) -> None:
    assert await put(lambda call: said(status, body), correction((1, 2))) == answer


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (200, b"<html>ok</html>"),
        (200, []),
        (200, {"pkey": 7, "errors": [{"errorMessage": "a"}]}),
        (400, {}),
        (500, {"message": "oops"}),
        (502, b"<html>"),
    ],
)
async def test_what_says_neither_yes_nor_no_is_a_doubt(status: int, body: object) -> None:
    assert isinstance(await put(lambda call: said(status, body), correction((1, 2))), Doubtful)


async def test_an_answer_lost_on_the_way_is_a_doubt_and_nothing_is_sent_again() -> None:
    def hang_up(call: Call) -> web.Response:
        raise asyncio.CancelledError

    async with calling(hang_up, profile=NAMED) as (connector, gateway):
        assert isinstance(await of(connector).put(of(connector).render(correction((1, 2)))), Doubtful)
        assert len(gateway.calls) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_not_let_in_opens_the_circuit_and_names_no_customer(status: int) -> None:
    refused = {"message": f"no call for ann shopper of 9 Oak Avenue with {KEY}"}
    with pytest.raises(OpenCircuit) as told:
        await put(lambda call: said(status, refused), correction(to=ELSEWHERE))
    assert "(customer) of (customer) with (key)" in str(told.value)


async def test_in_quiet_hours_nothing_is_sent() -> None:
    async with calling(lambda call: ok({"pkey": 7}), profile=NAMED, quiet_windows=["09:00-11:00"]) as (
        connector,
        gateway,
    ):
        with pytest.raises(OpenCircuit) as told:
            await of(connector).put(of(connector).render(correction((1, 2))))
    assert told.value.planned
    assert gateway.calls == []


# -- on the simulated ERP ---------------------------------------------------------------------------------------


@asynccontextmanager
async def changing(folder: Path) -> AsyncIterator[World]:
    """An order of ours, four pieces in two rows, booked in an ERP that takes corrections."""
    async with world(folder, there={"change_path": "orderchange"}, profile=dict(NAMED)) as there:
        sku = season.line().sku.model_copy(update={"lbl_code": ""})
        lines = [season.line(seq, quantity=3 if seq == 1 else 1).model_copy(update={"sku": sku}) for seq in (1, 2)]
        order = season.order(MINE, lines=tuple(lines))
        assert isinstance(await there.erp.sales_orders.put(there.erp.sales_orders.render(order)), Accepted)
        await until(there.held)
        yield there


async def held(there: World) -> BookedOrder:
    found = await there.erp.sales_orders.find([MINE])
    assert isinstance(found, Found)
    (order,) = found.hits[MINE]
    return order


async def correct(there: World, *levels: tuple[int, int], to: Address | None = None) -> PutAnswer:
    asked = correction(*levels, to=to, number=(await held(there)).number)
    return await of(there.erp).put(of(there.erp).render(asked))


async def happens(there: World, *movements: dict[str, Any]) -> None:
    asked = {"movements": [{"po_num": MINE, **movement} for movement in movements]}
    (await there.outside.post("/_sandbox/stock", json=asked)).raise_for_status()


def pieces(order: BookedOrder) -> dict[int, tuple[int, ...]]:
    """By row: ordered, picked or gone, gone, cancelled."""
    return {line.line_seq: (line.quantity, line.picked, line.shipped, line.cancelled) for line in order.lines}


async def test_what_is_asked_for_stands_in_the_books_once_and_is_read_back(tmp_path: Path) -> None:
    async with changing(tmp_path) as there:
        goes_to = there.erp.sales_orders.goes_to
        before = await held(there)
        assert before.ship_to == goes_to(ANN) != goes_to(ELSEWHERE)
        first = await correct(there, (1, 2), to=ELSEWHERE)
        again = await correct(there, (1, 2), to=ELSEWHERE)
        after = await held(there)
        assert [row["pieces"] for row in await there.books("cancels")] == [2]
    assert first == again == Accepted(after.key)
    assert pieces(after) == {1: (3, 0, 0, 2), 2: (1, 0, 0, 0)}
    assert after.ship_to == goes_to(ELSEWHERE)


@pytest.mark.parametrize(
    ("fault", "made"),
    [("change_answer_lost", 1), ("change_call_lost", 0), ("error_500_after", 1), ("contract_break", 1)],
)
async def test_what_was_lost_is_a_doubt_and_asked_for_again_it_is_made_once(
    tmp_path: Path, fault: str, made: int
) -> None:
    async with changing(tmp_path) as there:
        number = (await held(there)).number
        body = of(there.erp).render(correction((1, 2), number=number))
        await there.faults(once={fault: 1})
        assert isinstance(await of(there.erp).put(body), Doubtful)
        assert len(await there.books("cancels")) == made
        assert isinstance(await of(there.erp).put(body), Accepted)
        assert [row["pieces"] for row in await there.books("cancels")] == [2]


async def test_what_has_gone_further_is_refused_as_a_whole_and_what_is_so_already_is_not(tmp_path: Path) -> None:
    async with changing(tmp_path) as there:
        assert isinstance(await correct(there, (1, 1)), Accepted)
        await happens(there, {"do": "pick", "line_seq": 1})
        before = await held(there)
        assert await correct(there, (1, 2), (2, 1)) == Rejected(("line 1: 2 pieces are picked.",))
        assert isinstance(await correct(there, (2, 0), to=ELSEWHERE), Rejected)
        assert await held(there) == before
        assert isinstance(await correct(there, (1, 1), to=ANN), Accepted)
        assert await held(there) == before


async def test_each_way_to_refuse_is_a_no(tmp_path: Path) -> None:
    async with changing(tmp_path) as there:
        for fault in ("refuse_errorMessage", "refuse_message", "refuse_message_list", "refuse_text"):
            await there.faults(once={fault: 1})
            assert isinstance(await correct(there, (1, 1)), Rejected)
        assert await there.books("cancels") == []


async def test_a_write_that_is_not_there_opens_the_circuit(tmp_path: Path) -> None:
    async with world(tmp_path, profile=dict(NAMED)) as there:
        with pytest.raises(OpenCircuit, match="is its path right"):
            await of(there.erp).put(of(there.erp).render(correction((1, 1))))


# -- what its people change, as it is read ----------------------------------------------------------------------


async def test_every_change_of_its_people_is_read_as_it_stands(tmp_path: Path) -> None:
    async with changing(tmp_path) as there:
        seen = []
        for movement in (
            {"do": "amend", "line_seq": 1, "ord_qty": 5},
            {"do": "pick", "line_seq": 1, "qty": 3},
            {"do": "ship", "line_seq": 1, "qty": 1, "track_nos": []},
            {"do": "cancel", "line_seq": 1, "qty": 1},
            {"do": "amend", "line_seq": 1, "ord_qty": 4},
            {"do": "add_line", "upc": UPC, "qty": 2, "price": "9.00"},
            {"do": "unpick", "line_seq": 1},
            {"do": "cancel_order"},
            {"do": "amend", "line_seq": 2, "ord_qty": 2},
        ):
            await happens(there, movement)
            seen.append(pieces(await held(there)))
    assert seen == [
        {1: (5, 0, 0, 0), 2: (1, 0, 0, 0)},
        {1: (5, 3, 0, 0), 2: (1, 0, 0, 0)},
        {1: (5, 3, 1, 0), 2: (1, 0, 0, 0)},
        {1: (5, 3, 1, 1), 2: (1, 0, 0, 0)},
        {1: (4, 3, 1, 1), 2: (1, 0, 0, 0)},
        {1: (4, 3, 1, 1), 2: (1, 0, 0, 0), 3: (2, 0, 0, 0)},
        {1: (4, 1, 1, 1), 2: (1, 0, 0, 0), 3: (2, 0, 0, 0)},
        {1: (4, 1, 1, 3), 2: (1, 0, 0, 1), 3: (2, 0, 0, 2)},
        {1: (4, 1, 1, 3), 2: (2, 0, 0, 1), 3: (2, 0, 0, 2)},
    ]


async def test_a_row_amended_to_nothing_is_no_row(tmp_path: Path) -> None:
    """As any row without pieces: "nothing of this size" (contracts/bluecherry/NOTES.md 2.5)."""
    async with changing(tmp_path) as there:
        await happens(there, {"do": "amend", "line_seq": 2, "ord_qty": 0})
        assert set(pieces(await held(there))) == {1}


async def test_only_the_ship_to_address_is_where_it_goes(tmp_path: Path) -> None:
    async with changing(tmp_path) as there:
        goes_to = there.erp.sales_orders.goes_to
        await happens(there, {"do": "readdress", "addr_type": "BT", "addr1": "9 Oak Avenue"})
        billed = await held(there)
        await happens(there, {"do": "readdress", "addr1": " 9  OAK avenue", "addr2": "", "phone": "0"})
        moved = await held(there)
    assert billed.ship_to == goes_to(ANN)
    assert moved.ship_to == goes_to(ANN.model_copy(update={"address1": "9 Oak Avenue", "address2": ""}))
