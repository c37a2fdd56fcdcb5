"""What a broken line, a status or a slow server means: for a read ask again, for a write say what may have happened.

The servers here are raw sockets that answer handwritten bytes, or hang up where a test wants them to.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest
import structlog

from bcbridge.connectors.budget import Budget
from bcbridge.connectors.http import Answer, Decide, Http, decide_read, decide_write, retry_after, together
from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry
from bcbridge.model.answers import Doubtful, NotSent

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "s3cr3t-of-the-brand"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[str]:
    """A server that lets ``talk`` do what it likes with each connection."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/BASE"
    finally:
        server.close()


def answering(status: int, body: bytes = b"{}", **headers: str) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return talk


async def whole_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return head + (await reader.readexactly(length[0]) if length else b"")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)


async def hang_up_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def a_byte_a_moment(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


def http(url: str, **settings: Any) -> Http:
    budget = Budget(per_minute=60_000)
    headers = {"X-Key": SECRET}
    return Http("erp", url, budget=budget, now=lambda: NOW, headers=headers, **{"call_seconds": 5.0, **settings})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def read(url: str, **settings: Any) -> Answer:
    async with http(url, **settings) as connection:
        return await connection.read("/api/pick", params={"_pgno": "1"})


async def write(url: str, **settings: Any) -> Answer | NotSent | Doubtful:
    async with http(url, **settings) as connection:
        return await connection.write("/api/order", content=b"[{}]")


async def test_a_read_brings_the_bytes_as_they_are_and_when_it_was_asked() -> None:
    async with listening(answering(200, b'{"pkey": 1}')) as url:
        answer = await read(url)
    assert (answer.status, answer.body, answer.asked) == (200, b'{"pkey": 1}', NOW)


async def test_a_call_carries_key_base_path_query_and_body_exactly() -> None:
    seen = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await whole_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with listening(note) as url, http(url) as connection:
        params = {"$filter": "po_num eq 'A&B'"}
        await connection.write("/api/order", content=b'[{"price":10.10}]', params=params)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /BASE/api/order?$filter=po_num%20eq%20%27A%26B%27 HTTP/1.1")
    assert b"X-Key: " + SECRET.encode() in head
    assert body == b'[{"price":10.10}]'


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        *((status, Retry) for status in (408, 429, 500, 502, 503, 504)),
        *((status, OpenCircuit) for status in (401, 402, 403, 423, 301, 302)),
        *((status, Reject) for status in (400, 404, 409, 422)),
    ],
)
async def test_a_status_on_a_read_becomes_the_right_decision(status: int, decision: type[BridgeError]) -> None:
    async with listening(answering(status)) as url:
        with pytest.raises(decision):
            await read(url)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 301, 303])
async def test_a_write_that_may_have_been_kept_is_doubtful(status: int) -> None:
    async with listening(answering(status)) as url:
        assert isinstance(await write(url), Doubtful)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_write_that_was_not_let_in_opens_the_circuit(status: int) -> None:
    async with listening(answering(status)) as url:
        with pytest.raises(OpenCircuit):
            await write(url)


async def test_a_throttled_write_was_not_sent_and_says_when_to_come_again() -> None:
    async with listening(answering(429, Retry_After="7")) as url:
        assert await write(url) == NotSent("answered 429", timedelta(seconds=7))


async def test_a_refusal_of_a_write_is_left_to_the_room_with_its_reasons() -> None:
    async with listening(answering(422, b'{"errors": []}')) as url:
        answer = await write(url)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (422, b'{"errors": []}')


@pytest.mark.parametrize("talk", [hang_up, hang_up_at_once, half_an_answer, say_nothing, a_byte_a_moment])
async def test_a_line_that_breaks_is_a_retry_for_a_read_and_a_doubt_for_a_write(talk: Talk) -> None:
    async with listening(talk) as url:
        with pytest.raises(Retry):
            await read(url, call_seconds=0.3)
        assert isinstance(await write(url, call_seconds=0.3), Doubtful)


async def test_a_write_that_never_left_is_not_sent() -> None:
    refused = f"http://127.0.0.1:{free_port()}"
    assert isinstance(await write(refused), NotSent)
    assert isinstance(await write("http://no-such-host.invalid", call_seconds=5.0), NotSent)
    with pytest.raises(Retry):
        await read(refused)


async def test_a_server_that_never_takes_the_connection_leaves_a_write_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        async with await anyio.connect_tcp("127.0.0.1", full.getsockname()[1]):  # its queue of one is taken
            assert isinstance(await write(f"http://127.0.0.1:{full.getsockname()[1]}", call_seconds=0.3), NotSent)


async def test_a_plain_server_behind_https_is_refused_before_anything_is_said() -> None:
    async with listening(hang_up_at_once) as url:
        assert isinstance(await write(url.replace("http:", "https:")), NotSent)
        await anyio.wait_all_tasks_blocked()  # the loop has closed the socket


async def test_an_answer_over_the_limit_is_not_read_to_its_end() -> None:
    async with listening(answering(200, b"x" * 5000)) as url:
        with pytest.raises(OpenCircuit):
            await read(url, max_bytes=4999)
        assert isinstance(await write(url, max_bytes=4999), Doubtful)


async def test_a_small_answer_that_unpacks_over_the_limit_is_refused_too() -> None:
    async with listening(answering(200, gzip.compress(b" " * 5_000_000), Content_Encoding="gzip")) as url:
        with pytest.raises(OpenCircuit):
            await read(url, max_bytes=100_000)


async def test_no_turn_in_time_is_a_write_not_sent() -> None:
    async with listening(answering(200)) as url, http(url, turn_seconds=0.05) as connection:
        connection._budget.slow_down(100)
        answer = await connection.write("/api/order", content=b"[]")
    assert isinstance(answer, NotSent)
    assert answer.after is not None
    assert answer.after.total_seconds() == pytest.approx(100, abs=5)


async def test_a_429_slows_the_next_call_down() -> None:
    async with listening(answering(429, Retry_After="30")) as url, http(url, turn_seconds=0.05) as connection:
        with pytest.raises(Retry) as told:
            await connection.read("/api/pick")
        assert told.value.after == timedelta(seconds=30)
        with pytest.raises(Retry, match="no turn"):
            await connection.read("/api/pick")


async def test_a_room_may_decide_otherwise() -> None:
    def missing_is_fine(answer: Answer) -> BridgeError | None:
        return None if answer.status == 404 else decide_read(answer)

    decide: Decide = missing_is_fine
    async with listening(answering(404)) as url, http(url) as connection:
        assert (await connection.read("/api/pick", decide=decide)).status == 404


async def test_a_cancelled_call_gives_its_turn_and_its_connection_back() -> None:
    async with listening(say_nothing) as url, http(url, connections=1) as connection:
        for _ in range(3):
            with anyio.move_on_after(0.1) as scope:
                await connection.write("/api/order", content=b"[]")
            assert scope.cancelled_caught
        assert connection._budget.in_flight == 0


async def test_the_wire_log_has_facts_and_no_secret() -> None:
    async with listening(answering(200, b'{"name": "Ann Shopper"}')) as url, http(url) as connection:
        with structlog.testing.capture_logs() as lines:
            await connection.read("/api/pick", params={"code": "staging-code", "_pgno": "1"})
    (line,) = lines
    assert line["event"] == "wire"
    assert (line["method"], line["host"], line["path"]) == ("GET", "127.0.0.1", "/BASE/api/pick")
    assert (line["status"], line["bytes"], line["query"]) == (200, 23, ["_pgno", "code"])
    assert not any(word in str(lines) for word in (SECRET, "staging-code", "Ann"))


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7),
        ("0", 0),
        ("2.0", 2),
        ("0.5", 0.5),
        ("1.5.2", None),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("999999999999999999999", 3600),
        ("soon", None),
        ("", None),
        (None, None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_absurd(header: str | None, wait: float | None) -> None:
    expected = None if wait is None else timedelta(seconds=wait)
    assert retry_after(header, now=NOW) == expected


def test_every_status_has_a_decision() -> None:
    for status in range(200, 600):
        answer = Answer(status, {}, b"", NOW)
        assert (decide_read(answer) is None) == (status < 300)
        if status < 300:
            assert decide_write(answer) is None


# -- several calls ----------------------------------------------------------------------------------------------


async def test_calls_together_keep_their_order_and_no_more_are_under_way_than_said() -> None:
    busy = most = 0

    async def call(number: int) -> int:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        await anyio.wait_all_tasks_blocked()
        busy -= 1
        return number

    assert await together([partial(call, number) for number in range(5)], at_once=2) == [0, 1, 2, 3, 4]
    assert most == 2
    assert await together([], at_once=2) == []


async def test_the_first_failure_of_several_calls_ends_the_rest() -> None:
    ended = []

    async def fails() -> None:
        raise Retry("later")

    async def goes_on() -> None:
        await anyio.sleep_forever()
        ended.append(1)

    with pytest.raises(Retry, match="later"):
        await together([goes_on, fails, goes_on], at_once=2)
    assert ended == []
