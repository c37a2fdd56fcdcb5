"""What every sandbox server stands on: books that survive, a clock that moves, faults to order."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import httpx
import pytest
from aiohttp import web

from bcbridge.sandbox.base import (
    Books,
    ForeignBooks,
    Server,
    World,
    admin_app_routes,
    dump,
    hang_up,
)

SCHEMA = "CREATE TABLE hats (id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
NOUNS = {"hats": "SELECT id, body FROM hats WHERE id > :after ORDER BY id LIMIT :limit"}


def season(connection: sqlite3.Connection, seed: int) -> None:
    connection.execute("INSERT INTO hats (body) VALUES (json_object('seed', ?))", (seed,))


def add_hat(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO hats (body) VALUES ('{\"felt\": true}')")


def count_hats(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM hats").fetchone()[0])


@asynccontextmanager
async def hat_shop(folder: Path) -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    async def drop(request: web.Request) -> web.Response:
        return hang_up(request)

    async with World.opened(
        "hatshop",
        folder,
        schema=SCHEMA,
        season=season,
        nouns=NOUNS,
        faults={"rain": "it rains", "hail": "it hails"},
        values={"slow_ms": (250, "how slow slow is")},
    ) as world:
        app = web.Application()
        app.add_routes([*admin_app_routes(world), web.get("/drop", drop)])
        async with Server.running(app) as server, httpx.AsyncClient(base_url=server.url) as client:
            yield world, client


async def test_the_front_door_says_which_sandbox_it_is(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (_, client):
        reply = await client.get("/_sandbox/")
    assert reply.status_code == 200
    assert reply.json()["sandbox"] == "hatshop"
    assert reply.json()["folder"] == str(tmp_path)


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (world, _):
        await world.books.write(add_hat)
    async with hat_shop(tmp_path) as (world, client):
        assert await world.books.read(count_hats) == 2
        assert (await client.get("/_sandbox/books")).json() == {"hats": [{"seed": 1}, {"felt": True}], "next": {}}


async def test_a_unit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add_hat(connection)
        raise RuntimeError("torn")

    async with hat_shop(tmp_path) as (world, _):
        with pytest.raises(RuntimeError, match="torn"):
            await world.books.write(half)
        await world.books.write(add_hat)
        assert await world.books.read(count_hats) == 2


async def test_a_cancelled_caller_does_not_let_a_second_unit_in(tmp_path: Path) -> None:
    async with Books.opened(tmp_path / "b.db", SCHEMA, season) as books:
        for _ in range(20):
            with anyio.move_on_after(0):
                await books.write(add_hat)
            await books.write(add_hat)
        assert await books.read(count_hats) >= 21


async def test_books_of_another_version_are_refused(tmp_path: Path) -> None:
    async with Books.opened(tmp_path / "b.db", SCHEMA, season):
        pass
    with pytest.raises(ForeignBooks, match="--fresh"):
        async with Books.opened(tmp_path / "b.db", SCHEMA + "CREATE TABLE more (id INTEGER);", season):
            pass


async def test_a_noun_is_shown_page_by_page(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (world, client):
        for _ in range(4):
            await world.books.write(add_hat)
        first = (await client.get("/_sandbox/books/hats?limit=3")).json()
        rest = (await client.get(f"/_sandbox/books/hats?limit=3&after={first['next']}")).json()
        unknown = await client.get("/_sandbox/books/gloves")
        nonsense = await client.get("/_sandbox/books/hats?limit=x")
    assert (len(first["hats"]), len(rest["hats"]), rest["next"]) == (3, 2, None)
    assert unknown.status_code == 404
    assert unknown.json()["nouns"] == ["hats"]
    assert nonsense.status_code == 400


async def test_all_books_stop_at_a_thousand_rows_and_say_where(tmp_path: Path) -> None:
    def many(connection: sqlite3.Connection) -> None:
        for _ in range(1_100):
            add_hat(connection)

    async with hat_shop(tmp_path) as (world, client):
        await world.books.write(many)
        shown = (await client.get("/_sandbox/books")).json()
    assert len(shown["hats"]) == 1_000
    assert shown["next"] == {"hats": 1_000}


async def test_a_one_shot_strikes_once_and_is_remembered(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (world, client):
        await client.post("/_sandbox/faults", json={"once": {"rain": 2}})
        assert await world.faults.strikes("rain")
    async with hat_shop(tmp_path) as (world, client):
        assert [await world.faults.strikes("rain") for _ in range(3)] == [True, False, False]
        shown = (await client.get("/_sandbox/faults")).json()["faults"]
    assert shown["rain"] == {"description": "it rains", "rate": 0.0, "left": 0, "happened": 2}
    assert shown["hail"]["happened"] == 0


async def test_rates_are_drawn_from_a_seed(tmp_path: Path) -> None:
    async def weather(folder: Path) -> list[bool]:
        async with hat_shop(folder) as (world, client):
            await client.post("/_sandbox/faults", json={"rates": {"hail": 0.5}})
            return [await world.faults.strikes("hail") for _ in range(40)]

    once, again = await weather(tmp_path / "a"), await weather(tmp_path / "b")
    assert once == again
    assert {True, False} == set(once)


async def test_a_switch_stays_on_until_it_is_cleared(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (world, client):
        await client.post("/_sandbox/faults", json={"rates": {"rain": 1}, "values": {"slow_ms": 5}})
        assert world.faults.is_on("rain")
        assert [await world.faults.strikes("rain") for _ in range(3)] == [True] * 3
        assert world.faults.value("slow_ms") == 5
        await client.post("/_sandbox/faults", json={"clear": True})
        assert not world.faults.is_on("rain")
        assert world.faults.value("slow_ms") == 250


@pytest.mark.parametrize(
    "asked",
    [
        {"rates": {"snow": 1}},
        {"once": {"snow": 1}},
        {"values": {"rain": 1}},
        {"rates": {"rain": 1.5}},
        {"rates": {"rain": "much"}},
        {"rates": ["rain"]},
        {"rate": {"rain": 1}},
        ["rain"],
    ],
)
async def test_an_unknown_or_nonsensical_fault_is_refused_with_the_names(tmp_path: Path, asked: object) -> None:
    async with hat_shop(tmp_path) as (world, client):
        reply = await client.post("/_sandbox/faults", json=asked)
        assert reply.status_code == 400
        assert reply.json()["names"] == ["hail", "rain"]
        assert not await world.faults.strikes("rain")


async def test_the_clock_moves_and_is_remembered(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (_, client):
        await client.post("/_sandbox/clock", json={"offset_seconds": 3600})
        moved = (await client.post("/_sandbox/clock", json={"advance_seconds": 60})).json()
        assert moved["offset_seconds"] == 3660
        assert (await client.post("/_sandbox/clock", json={"advance_seconds": "x"})).status_code == 400
        assert (await client.post("/_sandbox/clock", json={"offset_seconds": 1e300})).status_code == 400
    async with hat_shop(tmp_path) as (world, client):
        assert world.clock.now() - datetime.now(UTC) > timedelta(minutes=60)
        assert (await client.get("/_sandbox/clock")).json()["offset_seconds"] == 3660


async def test_a_reset_is_a_new_world(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (world, client):
        await world.books.write(add_hat)
        await client.post("/_sandbox/faults", json={"rates": {"rain": 1}})
        await client.post("/_sandbox/clock", json={"advance_seconds": 60})
        assert (await client.post("/_sandbox/reset", json={"seed": 7})).json() == {"reset": True, "seed": 7}
        assert (await client.get("/_sandbox/books")).json()["hats"] == [{"seed": 7}]
        assert (await client.get("/_sandbox/clock")).json()["offset_seconds"] == 0
        assert not world.faults.is_on("rain")


async def test_a_dropped_connection_gives_no_answer(tmp_path: Path) -> None:
    async with hat_shop(tmp_path) as (_, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/drop")
        assert (await client.get("/_sandbox/")).status_code == 200


def test_a_decimal_is_written_digit_by_digit() -> None:
    assert dump({"price": Decimal("49.50"), "rate": Decimal("1E-5")}) == b'{"price":49.50,"rate":0.00001}'
    with pytest.raises(TypeError):
        dump({"price": object()})
