"""The contract: what holds for every room, whatever system it speaks to.

One file of claims. What differs between systems is in the kits; nothing here knows which room it looks at. A claim
about a noun or a capability is made of the rooms that offer it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bcbridge.connectors.base import (
    Accepted,
    Document,
    Doubtful,
    Found,
    Notification,
    NotSent,
    Page,
    Refused,
    Unproven,
)
from bcbridge.connectors.kinds import KINDS
from bcbridge.connectors.looks import NOT_ASKED
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model import person
from bcbridge.model.ids import Ref, Reference
from tests.contract.conftest import missed
from tests.contract.desk import Desk, desk
from tests.contract.heard import PATIENCE_SECONDS, Heard
from tests.contract.kit import Asked, Kit, Outside, Reply, Row, Shelf, SinkKit, SourceKit, WebhookKit
from tests.contract.outside import Handler, Server, between, black_hole, dripping, exploding, flooding, saying, serving
from tests.contract.rooms import (
    IMPATIENT,
    KITS,
    NOBODY,
    SOURCES,
    built,
    drained,
    every,
    every_keeper,
    every_room,
    every_sink,
    every_source,
    every_webhook,
    outside,
    reading_calls,
    room,
    still,
)

MINE = Reference("SU77P1G1")
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

# -- the suite itself -------------------------------------------------------------------------------------------


def test_every_kind_of_room_has_a_kit() -> None:
    assert set(KITS) == set(KINDS)


@every_room
def test_a_kit_leaves_nothing_out_that_its_room_offers(kit: Kit) -> None:
    connector = still(kit)
    offered = {name: value for name, value in vars(connector).items() if not name.startswith("_")}
    assert _offering(offered, "lists", "fetch", "read") == {source.noun for source in kit.sources}
    assert _offering(offered, "put", "find", "posted") == {sink.noun for sink in kit.sinks}
    assert _offering(offered, "changed", "everything") == {feed.noun for feed in kit.feeds}
    assert _offering(offered, "open") == ({"webhook"} if kit.webhook else set())
    assert _offering(offered, "keep") == ({"keeper"} if kit.keeper else set())


@pytest.mark.parametrize(("ci", "outcome"), [(True, "failed"), (False, "skipped")])
def test_a_skipped_claim_fails_where_it_counts(ci: bool, outcome: str) -> None:
    skipped = pytest.TestReport("a claim", ("here", 1, "a claim"), {}, "skipped", "no contract at hand", "call")
    assert missed(skipped, ci=ci).outcome == outcome


def _offering(offered: dict[str, object], *verbs: str) -> set[str]:
    return {name for name, value in offered.items() if all(hasattr(value, verb) for verb in verbs)}


# -- reading a document -----------------------------------------------------------------------------------------

SAMPLES = [
    (f"{label}: {sample.name}", kit, (source, sample)) for label, kit, source in SOURCES for sample in source.samples
]
NONSENSE = [
    (f"{label}: {name}", kit, (source, body))
    for label, kit, source in SOURCES
    for name, body in source.nonsense.items()
]


@every("about", SAMPLES)
def test_a_payload_reads_to_exactly_the_expected_record(kit: Kit, about: Any) -> None:
    source, sample = about
    reader = getattr(still(kit), source.noun)
    assert reader.read(sample.document) == sample.record
    assert reader.read(sample.document) == sample.record


@every("about", SAMPLES)
def test_a_document_about_a_person_says_who_it_is_about(kit: Kit, about: Any) -> None:
    """Each address and number of a customer in it, in our one form; else nobody could have it erased."""
    source, sample = about
    reader = getattr(still(kit), source.noun)
    if not hasattr(reader, "about"):
        assert not any(word.encode() in sample.document.body for word in kit.private), "it is about nobody"
        return
    found = reader.about(sample.document)
    written = [word for word in kit.private if word.encode() in sample.document.body]
    assert {person.email(word) for word in written if "@" in word} <= found
    assert {person.phone(word) for word in written if word.startswith("+")} <= found
    assert reader.about(replace(sample.document, body=sample.document.body.replace(b"ada@", b"ADA@"))) == found


@every("about", NONSENSE)
def test_nonsense_is_looked_at_for_people_all_the_same(kit: Kit, about: Any) -> None:
    source, body = about
    reader = getattr(still(kit), source.noun)
    if hasattr(reader, "about"):
        assert isinstance(reader.about(replace(source.samples[0].document, body=body)), frozenset)


@every("about", NONSENSE)
def test_nonsense_is_malformed(kit: Kit, about: Any, heard: Heard) -> None:
    source, body = about
    with pytest.raises(Malformed) as ended:
        getattr(still(kit), source.noun).read(replace(source.samples[0].document, body=body))
    heard.lines.append(str(ended.value))
    assert str(ended.value)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "NaN",
            "1e999",
            "-1",
            "gid://shopify/Order/1",
            "2026-11-20",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
        ]
    ),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
UNHURRIED = hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@every_source
@UNHURRIED
@given(value=VALUES)
def test_any_json_reads_or_is_malformed(kit: Kit, source: SourceKit, value: object) -> None:
    _read_or_malformed(kit, source, value)


@every_source
@UNHURRIED
@given(data=st.data())
def test_a_payload_with_anything_in_any_place_reads_or_is_malformed(
    kit: Kit, source: SourceKit, data: st.DataObject
) -> None:
    payload = json.loads(data.draw(st.sampled_from(source.samples)).document.body)
    place = data.draw(st.sampled_from(list(_places(payload))))
    _read_or_malformed(kit, source, _with(payload, place, data.draw(VALUES)))


def _read_or_malformed(kit: Kit, source: SourceKit, value: object) -> None:
    document = replace(source.samples[0].document, body=json.dumps(value).encode("utf-8", "surrogatepass"))
    said = _fault(still(kit), document)
    assert not any(word in said for word in kit.private)


def _fault(connector: Any, document: Document) -> str:
    """Why it is malformed; the empty string where it reads."""
    try:
        getattr(connector, document.noun).read(document)
    except Malformed as fault:
        return str(fault)
    return ""


def _places(value: object, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """The way to every value inside, the whole included."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        yield from _places(inner, (*path, step))


def _with(value: Any, path: Sequence[Any], put: object) -> Any:
    """The same value with something else in one place."""
    if not path:
        return put
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], put)
    return copy


# -- lists ------------------------------------------------------------------------------------------------------

LISTS = [
    (f"{label}.{one.name}", kit, (source, number))
    for label, kit, source in SOURCES
    for number, one in enumerate(getattr(still(kit), source.noun).lists)
]
every_list = every("one", LISTS)
every_stamps = pytest.mark.parametrize(
    "seconds", [pytest.param(0, id="of one second"), pytest.param(7, id="spread over time")]
)
FEW_REQUESTS = 500
"""More than any honest walk over a shelf of three hundred needs."""


@asynccontextmanager
async def shelf_of(
    source: SourceKit, records: int = 300, *, seconds: int = 7, **changes: Any
) -> AsyncIterator[tuple[Shelf, Server]]:
    """A vendor's server whose lists are made of a shelf."""
    rows = [Row(source.row(number), START + timedelta(seconds=number * seconds)) for number in range(1, records + 1)]
    shelf = Shelf(rows, **changes)
    async with serving(saying(lambda asked: source.serve(shelf, asked))) as server:
        yield shelf, server


async def walked(kit: Kit, one: Any, url: str, since: str = "") -> list[Page]:
    """The list once from ``since``, by a room that was just built."""
    source, number = one
    async with room(kit, url) as connector:
        return await drained(getattr(connector, source.noun).lists[number].pages(since))


def shown(pages: Sequence[Page]) -> set[Ref]:
    heads = {head.ref for page in pages for head in page.heads}
    return heads | {document.ref for page in pages for document in page.documents}


@every_list
@every_stamps
@pytest.mark.parametrize("inclusive", [True, False])
async def test_a_list_shows_every_record_whatever_their_stamps(
    kit: Kit, one: Any, seconds: int, inclusive: bool
) -> None:
    async with shelf_of(one[0], seconds=seconds, inclusive=inclusive) as (shelf, server):
        assert shown(await walked(kit, one, server.url)) == {row.ref for row in shelf.rows}
        assert len(server.asked) < FEW_REQUESTS


@every_list
@every_stamps
async def test_resuming_from_any_cursor_repeats_at_most(kit: Kit, one: Any, seconds: int) -> None:
    async with shelf_of(one[0], seconds=seconds) as (shelf, server):
        pages = await walked(kit, one, server.url)
        for number, page in enumerate(pages, start=1):
            later = await walked(kit, one, server.url, page.cursor)
            assert shown(pages[:number]) | shown(later) == {row.ref for row in shelf.rows}


@every_list
@pytest.mark.parametrize("inclusive", [True, False])
async def test_a_record_of_the_newest_second_is_met_on_resuming(kit: Kit, one: Any, inclusive: bool) -> None:
    async with shelf_of(one[0], 90, seconds=0, inclusive=inclusive) as (shelf, server):
        pages = await walked(kit, one, server.url)
        late = Row(one[0].row(999), shelf.rows[-1].modified)
        shelf.rows.append(late)
        assert late.ref in shown(await walked(kit, one, server.url, pages[-1].cursor))


@every_list
@every_stamps
async def test_a_list_that_moves_while_it_is_read_loses_nothing(kit: Kit, one: Any, seconds: int) -> None:
    """Records already read, and records still to come, change while the first pages are turned."""

    def touch(answered: int) -> None:
        for number in (answered * 2, 150 + answered) if answered < 4 else ():
            shelf.rows[number] = replace(shelf.rows[number], modified=START + timedelta(hours=2, seconds=answered))

    async with shelf_of(one[0], seconds=seconds) as (shelf, server):
        shelf.meanwhile = touch
        assert shown(await walked(kit, one, server.url)) == {row.ref for row in shelf.rows}


@every_list
@every_stamps
async def test_a_full_page_that_adds_nothing_new_never_loops(kit: Kit, one: Any, seconds: int, heard: Heard) -> None:
    async with shelf_of(one[0], seconds=seconds, stuck=True) as (_, server):
        ended = await heard.ending(lambda: walked(kit, one, server.url))
        assert isinstance(ended, OpenCircuit)
        assert len(server.asked) < FEW_REQUESTS


@every_list
async def test_a_cursor_is_taken_from_their_data(kit: Kit, one: Any) -> None:
    """Two walks over the same records at two times of ours end at the same mark."""
    async with shelf_of(one[0]) as (_, server):
        first = await walked(kit, one, server.url)
        await anyio.sleep(0.01)
        assert [page.cursor for page in await walked(kit, one, server.url)] == [page.cursor for page in first]


@every_list
async def test_an_empty_list_is_no_trouble(kit: Kit, one: Any) -> None:
    async with shelf_of(one[0], 0) as (_, server):
        assert shown(await walked(kit, one, server.url)) == set()


# -- against the sandbox ----------------------------------------------------------------------------------------


@every_source
async def test_lists_sweep_and_fetch_show_what_the_books_hold(kit: Kit, source: SourceKit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        reader, held = getattr(connector, source.noun), await source.held(there)
        for one in reader.lists:
            assert shown(await drained(one.pages(""))) == held
        assert shown(await drained(reader.sweep(datetime(2020, 1, 1, tzinfo=UTC)))) == held
        fetched = await reader.fetch(sorted(held))
        assert {document.ref for document in fetched} == held
        for document in fetched:
            assert reader.read(document)
            assert _is_aware(document)


def _is_aware(document: Document) -> bool:
    return document.modified.tzinfo is not None and document.asked.tzinfo is not None


@every_source
async def test_what_is_gone_is_absent(kit: Kit, source: SourceKit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        reader, held = getattr(connector, source.noun), await source.held(there)
        assert await reader.fetch(list(source.gone)) == []
        mixed = await reader.fetch([*source.gone, min(held)])
        assert [document.ref for document in mixed] == [min(held)]
        assert await reader.fetch([]) == []


@every_room
async def test_ping_proves_the_credentials(kit: Kit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there:
        async with room(kit, there.url) as connector:
            await connector.ping()
        async with room(kit, there.url, secrets=kit.wrong_secrets) as connector:
            with pytest.raises(OpenCircuit):
                await connector.ping()


@every_room
async def test_looking_never_writes(kit: Kit, tmp_path: Path) -> None:
    """Ping, doctor and every reading call leave the books as they were."""
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        before = await _still_books(kit, there)
        findings = await connector.doctor()
        calls = reading_calls(kit, connector)
        calls.pop("keep", None)
        for call in calls.values():
            await call()
        assert findings
        assert await _still_books(kit, there) == before


async def _still_books(kit: Kit, there: Outside) -> dict[str, Any]:
    return {noun: rows for noun, rows in (await there.books()).items() if noun not in kit.busy}


@every_room
async def test_doctor_says_what_is_wrong_where_nothing_answers(kit: Kit, heard: Heard) -> None:
    """Refused connections, and silence: a finding, not an end."""
    async with serving(black_hole) as silent:
        for url in (NOBODY, silent.url):
            async with room(kit, url, **IMPATIENT) as connector:
                with anyio.fail_after(PATIENCE_SECONDS):
                    findings = await heard.ending(connector.doctor)
            assert isinstance(findings, list)
            assert any(finding.severity == "error" for finding in findings)
            assert NOT_ASKED in findings, "silence is silence, and not asked for as often as there are looks"


@every_keeper
async def test_a_keeper_makes_what_is_missing_once(kit: Kit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        before = await _still_books(kit, there)
        assert await connector.keeper.keep("")
        assert await _still_books(kit, there) == before
        await connector.keeper.keep("http://127.0.0.1:9")
        made = await _still_books(kit, there)
        assert made != before
        await connector.keeper.keep("http://127.0.0.1:9")
        assert await _still_books(kit, there) == made


# -- answers, and what they mean --------------------------------------------------------------------------------

ANSWERS = [(f"{kit.kind}: {name}", kit, name) for kit in KITS.values() for name in kit.answers]
WRITE_ANSWERS = [
    (f"{kit.kind}.{sink.noun}: {name}", kit, (sink, name))
    for kit in KITS.values()
    for sink in kit.sinks
    for name in sink.answers
]


@every("name", ANSWERS)
async def test_an_answer_becomes_the_right_decision(kit: Kit, name: str, heard: Heard) -> None:
    """The same for every reading call."""
    answer, wanted = kit.answers[name]
    async with serving(saying(lambda asked: answer)) as server:
        ended = await _endings(kit, server.url, heard)
    assert {name: _decision(ending) for name, ending in ended.items()} == dict.fromkeys(ended, wanted)


def _decision(ending: object) -> type:
    """What is asked for next; a room may have names of its own for kinds of it."""
    return next((kind for kind in (Retry, OpenCircuit) if isinstance(ending, kind)), type(ending))


async def _endings(kit: Kit, url: str, heard: Heard, **changes: Any) -> dict[str, object]:
    """How every reading call ends, each made by a room of its own, all at once."""
    ended: dict[str, object] = {}

    async def made(name: str) -> None:
        async with room(kit, url, **changes) as connector:
            ended[name] = await heard.ending(reading_calls(kit, connector)[name])

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as calls:
            for name in reading_calls(kit, still(kit)):
                calls.start_soon(made, name)
    return ended


@every("about", WRITE_ANSWERS)
async def test_an_answer_to_a_write_becomes_the_right_ending(kit: Kit, about: Any, heard: Heard) -> None:
    sink, name = about
    answer, wanted = sink.answers[name]
    async with serving(saying(lambda asked: answer)) as server, room(kit, server.url) as connector:
        writer = getattr(connector, sink.noun)
        ended = await heard.ending(lambda: writer.put(writer.render(sink.item(MINE))))
        assert type(ended) is wanted
        assert len(server.asked) == 1


@every_sink
async def test_a_refused_connection_sends_nothing(kit: Kit, sink: SinkKit, heard: Heard) -> None:
    async with room(kit, NOBODY) as connector:
        writer = getattr(connector, sink.noun)
        assert isinstance(await heard.ending(lambda: writer.put(writer.render(sink.item(MINE)))), NotSent)


@every_room
@pytest.mark.parametrize("seed", range(12))
async def test_an_answer_with_anything_in_any_place_ends_in_a_value_or_a_decision(
    kit: Kit, seed: int, tmp_path: Path, heard: Heard
) -> None:
    """And what it brought reads or is malformed."""
    chance = random.Random(f"{kit.kind} {seed}")
    async with outside(kit, tmp_path) as there:
        refs = {source.noun: sorted(await source.held(there))[:3] for source in kit.sources}
        async with serving(between(there.url, there.http, lambda _, reply: _garbled(reply, chance))) as server:
            for call in reading_calls(kit, still(kit)):
                async with room(kit, server.url) as connector:
                    ended = await heard.ending(reading_calls(kit, connector, refs)[call])
                    heard.lines += [_fault(connector, document) for document in _documents(ended)]
            async with room(kit, server.url) as connector:
                assert isinstance(await heard.ending(connector.doctor), list)


STRANGE: Sequence[object] = (
    *(None, True, "", "x", 1, -1, 1.5, 10**30, "2026-13-45T00:00:00Z"),
    *([], {}, [None], [[]], {"x": None}),
)


def _garbled(reply: Reply, chance: random.Random) -> Reply:
    """Most answers get something else in one place."""
    if chance.random() < 0.3:
        return reply
    content = json.loads(reply.body)
    places = list(_places(content))
    shallow = [place for place in places if len(place) <= 4]
    place = chance.choice(chance.choice([places, shallow]))
    return replace(reply, body=json.dumps(_with(content, place, chance.choice(STRANGE))).encode())


def _documents(ended: object) -> list[Document]:
    found = ended if isinstance(ended, list) else []
    inside = [document for one in found if isinstance(one, Page) for document in one.documents]
    return [one for one in found if isinstance(one, Document)] + inside


# -- deadlines, limits, endings ---------------------------------------------------------------------------------

SILENCES = pytest.mark.parametrize(
    "silence", [pytest.param(black_hole, id="never answers"), pytest.param(dripping, id="never ends its answer")]
)


@every_room
@SILENCES
async def test_every_reading_call_ends_within_its_deadline(kit: Kit, silence: Any, heard: Heard) -> None:
    async with serving(silence) as server:
        ended = await _endings(kit, server.url, heard, **IMPATIENT)
    assert {name: type(ending) for name, ending in ended.items()} == dict.fromkeys(ended, Retry)


@every_sink
@SILENCES
async def test_a_write_ends_in_doubt_within_its_deadline(kit: Kit, sink: SinkKit, silence: Any, heard: Heard) -> None:
    async with serving(silence) as server, room(kit, server.url, **IMPATIENT) as connector:
        writer = getattr(connector, sink.noun)
        with anyio.fail_after(PATIENCE_SECONDS):
            ended = await heard.ending(lambda: writer.put(writer.render(sink.item(MINE))))
        assert isinstance(ended, Doubtful)


FLOODS = pytest.mark.parametrize(
    "flood", [pytest.param(flooding, id="without end"), pytest.param(exploding, id="packed small")]
)


@every_room
@FLOODS
async def test_an_answer_too_big_is_not_read_to_its_end(kit: Kit, flood: Any, heard: Heard) -> None:
    async with serving(flood) as server, room(kit, server.url) as connector:
        with anyio.fail_after(PATIENCE_SECONDS):
            assert isinstance(await heard.ending(connector.ping), OpenCircuit | Retry)


@every_sink
@FLOODS
async def test_an_answer_too_big_leaves_a_write_in_doubt(kit: Kit, sink: SinkKit, flood: Any, heard: Heard) -> None:
    async with serving(flood) as server, room(kit, server.url) as connector:
        writer = getattr(connector, sink.noun)
        with anyio.fail_after(PATIENCE_SECONDS):
            assert isinstance(await heard.ending(lambda: writer.put(writer.render(sink.item(MINE)))), Doubtful)


@every_room
async def test_a_cancelled_call_leaves_nothing_behind(kit: Kit, tmp_path: Path) -> None:
    """As many as may be under way at once are cancelled; the next is answered."""
    silent = True

    async with outside(kit, tmp_path) as there:
        through = between(there.url, there.http, _as_it_is)

        async def handler(request: Any, asked: Asked) -> Any:
            return await (black_hole if silent else through)(request, asked)

        async with serving(handler) as server, room(kit, server.url) as connector:
            for _ in range(10):
                with anyio.move_on_after(0.05):
                    await connector.ping()
            silent = False
            await connector.ping()


@every_room
async def test_closing_leaves_no_socket_and_no_task(kit: Kit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there, serving(between(there.url, there.http, _as_it_is)) as server:
        async with room(kit, server.url) as another:
            await another.ping()
        await _until(lambda: server.connections == 0)
        before = asyncio.all_tasks()
        connector = built(kit, server.url)
        await connector.ping()
        assert server.connections > 0
        await connector.aclose()
        await connector.aclose()
        await _until(lambda: server.connections == 0)
        await _until(lambda: asyncio.all_tasks() <= before)


def _as_it_is(asked: Asked, reply: Reply) -> Reply:
    return reply


async def test_an_unused_room_closes(heard: Heard) -> None:
    for kit in KITS.values():
        await built(kit).aclose()
    assert heard.lines == []


async def _until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not true():
            await anyio.sleep(0.01)


# -- what is said aloud -----------------------------------------------------------------------------------------


@every_room
async def test_a_vendor_that_quotes_our_secrets_is_not_quoted(kit: Kit, heard: Heard) -> None:
    """Every refusal, in every shape, repeats every header and body it got: none of it comes through."""
    for number in range(len(kit.complaints(""))):
        async with serving(_parrot(kit, number)) as server, room(kit, server.url) as connector:
            for call in reading_calls(kit, connector).values():
                await heard.ending(call)
    assert heard.lines


@every_sink
async def test_a_vendor_that_quotes_the_customer_is_not_quoted(kit: Kit, sink: SinkKit, heard: Heard) -> None:
    for number in range(len(kit.complaints(""))):
        async with serving(_parrot(kit, number)) as server, room(kit, server.url) as connector:
            writer = getattr(connector, sink.noun)
            await heard.ending(partial(writer.put, writer.render(sink.item(MINE))))
    assert heard.lines


def _parrot(kit: Kit, number: int) -> Handler:
    """Complains in one of the vendor's ways, in words it was just told."""

    def answer(asked: Asked) -> Reply:
        return kit.complaints(f"cannot take {' '.join(asked.headers.values())} and {asked.body.decode()}")[number]

    return saying(answer)


@every_room
async def test_the_wire_log_is_heard_here(kit: Kit, tmp_path: Path, heard: Heard) -> None:
    """Else the claim that nothing is said aloud would be empty."""
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        await connector.ping()
    assert any("wire" in line for line in heard.lines)


# -- documents, once --------------------------------------------------------------------------------------------

KEPT = [
    (f"{kit.kind}.{sink.noun}: {name}", kit, (sink, name))
    for kit in KITS.values()
    for sink in kit.sinks
    for name in sink.kept_without_a_word
]
LOST = [
    (f"{kit.kind}.{sink.noun}: {name}", kit, (sink, name))
    for kit in KITS.values()
    for sink in kit.sinks
    for name in sink.lost_on_the_way
]
REFUSED = [
    (f"{kit.kind}.{sink.noun}: {name}", kit, (sink, name))
    for kit in KITS.values()
    for sink in kit.sinks
    for name in sink.refused
]


@asynccontextmanager
async def writing(kit: Kit, sink: SinkKit, folder: Path) -> AsyncIterator[tuple[Outside, Desk]]:
    """The house's writer over the room's sink, over the sandbox."""
    async with (
        outside(kit, folder) as there,
        room(kit, there.url) as connector,
        desk(connector, getattr(connector, sink.noun), folder) as at,
    ):
        yield there, at


@every("about", KEPT)
async def test_an_answer_lost_after_acceptance_is_found_and_not_written_again(
    kit: Kit, about: Any, tmp_path: Path
) -> None:
    sink, name = about
    async with writing(kit, sink, tmp_path) as (there, at):
        await there.faults(sink.kept_without_a_word[name])
        await at.book(sink.item(MINE))
        assert await at.state() == "in_doubt"
        await at.read_back()
        assert await at.state() == "in_doubt"
        await sink.post(there)
        await at.read_back()
        assert await at.state() == "posted"
        assert await sink.held(there, MINE) == 1


@every("about", LOST)
async def test_what_was_lost_on_the_way_is_not_written_again_without_evidence(
    kit: Kit, about: Any, tmp_path: Path
) -> None:
    sink, name = about
    async with writing(kit, sink, tmp_path) as (there, at):
        await there.faults(sink.lost_on_the_way[name])
        await at.book(sink.item(MINE))
        await sink.post(there)
        await at.read_back()
        assert await at.state() == "in_doubt"
        assert await sink.held(there, MINE) == 0


@every("about", REFUSED)
async def test_a_refusal_is_a_refusal_however_it_is_wrapped(kit: Kit, about: Any, tmp_path: Path) -> None:
    sink, name = about
    async with writing(kit, sink, tmp_path) as (there, at):
        await there.faults(sink.refused[name])
        await at.book(sink.item(MINE))
        assert await at.state() == "rejected"
        assert await sink.held(there, MINE) == 0


@every_sink
async def test_a_document_is_held_as_it_was_sent(kit: Kit, sink: SinkKit, tmp_path: Path) -> None:
    """Accepted, posted, found by its reference and in the list of what was posted, without a difference."""
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        writer = getattr(connector, sink.noun)
        body = writer.render(sink.item(MINE))
        assert writer.render(sink.item(MINE)) == body
        assert isinstance(await writer.put(body), Accepted)
        await sink.post(there)
        found = await writer.find([MINE])
        assert isinstance(found, Found)
        (booked,) = found.hits[MINE]
        assert writer.differences(body, booked) == ()
        listed = [order for page in await drained(writer.posted("")) for order in page.orders]
        assert booked in listed


@every_sink
async def test_an_altered_document_is_told_from_the_one_sent(kit: Kit, sink: SinkKit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        writer, item = getattr(connector, sink.noun), sink.item(MINE)
        await writer.put(writer.render(item))
        await sink.post(there)
        (booked,) = (await writer.find([MINE])).hits[MINE]
    for change in (
        {"division": "ZZZ"},
        {"customer": "ANOTHER"},
        {"tax": item.tax + 1},
        {"freight": item.freight + 1},
        {"lines": tuple(line.model_copy(update={"quantity": line.quantity + 1}) for line in item.lines)},
    ):
        assert writer.differences(writer.render(item.model_copy(update=change)), booked), change


@every_sink
async def test_absence_is_shown_only_where_the_search_is_proven(kit: Kit, sink: SinkKit, tmp_path: Path) -> None:
    async with outside(kit, tmp_path) as there, room(kit, there.url) as connector:
        writer = getattr(connector, sink.noun)
        await writer.put(writer.render(sink.item(MINE)))
        await sink.post(there)
        absent = Reference("SU78P1G1")
        found = await writer.find([MINE, absent])
        assert isinstance(found, Found)
        assert (len(found.hits[MINE]), found.hits[absent]) == (1, ())
        await there.faults(sink.search_broken)
        assert isinstance(await writer.find([absent]), Unproven)


# -- ringing ----------------------------------------------------------------------------------------------------


@every_webhook
def test_a_delivery_is_taken_for_exactly_what_it_says(kit: Kit, webhook: WebhookKit) -> None:
    door = still(kit).webhook
    for body, notification in webhook.deliveries:
        for key in webhook.keys:
            assert door.open(webhook.ring(body, key)) == notification
            assert door.open(webhook.ring(body, key)) == notification


@every_webhook
@UNHURRIED
@given(data=st.data())
def test_a_flipped_bit_of_the_body_is_refused(kit: Kit, webhook: WebhookKit, data: st.DataObject) -> None:
    body, _ = data.draw(st.sampled_from(webhook.deliveries))
    request = webhook.ring(body, webhook.keys[0])
    at = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(request.body)
    flipped[at // 8] ^= 1 << at % 8
    assert _is_refused(still(kit).webhook.open(replace(request, body=bytes(flipped))))


@every_webhook
def test_any_other_character_in_a_signature_is_refused(kit: Kit, webhook: WebhookKit) -> None:
    door, request = still(kit).webhook, webhook.ring(webhook.deliveries[0][0], webhook.keys[0])
    for name in webhook.signatures:
        good = request.headers[name]
        for at, letter in enumerate(good):
            for other in (chr(ord(letter) ^ 1), letter.swapcase(), "é"):
                changed = good[:at] + other + good[at + 1 :]
                if changed != good and changed.rstrip("=") != good.rstrip("="):
                    assert _is_refused(door.open(replace(request, headers={**request.headers, name: changed})))


@every_webhook
def test_an_unsigned_or_foreign_delivery_is_refused(kit: Kit, webhook: WebhookKit) -> None:
    door, body = still(kit).webhook, webhook.deliveries[0][0]
    request = webhook.ring(body, webhook.keys[0])
    for name in webhook.signatures:
        assert _is_refused(door.open(replace(request, headers={**request.headers, name: ""})))
        assert _is_refused(
            door.open(replace(request, headers={key: one for key, one in request.headers.items() if key != name}))
        )
    assert _is_refused(door.open(webhook.ring(body, webhook.wrong_key)))
    assert _is_refused(door.open(webhook.ring(b"", webhook.wrong_key)))


@every_webhook
def test_a_signature_is_compared_in_constant_time(
    kit: Kit, webhook: WebhookKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard library's comparison is the one that decides, whatever was given."""
    asked = []

    def compare(one: Any, other: Any) -> bool:
        asked.append((one, other))
        return False

    door, body = still(kit).webhook, webhook.deliveries[0][0]
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert _is_refused(door.open(webhook.ring(body, webhook.keys[0])))
    assert len(asked) >= len(webhook.keys)


@every_webhook
@UNHURRIED
@given(value=VALUES, raw=st.binary(max_size=64), as_json=st.booleans())
def test_nonsense_well_signed_is_a_notification_or_refused(
    kit: Kit, webhook: WebhookKit, value: object, raw: bytes, as_json: bool
) -> None:
    body = json.dumps(value).encode("utf-8", "surrogatepass") if as_json else raw
    _opened(kit, webhook, body)


@every_webhook
@UNHURRIED
@given(data=st.data())
def test_a_delivery_with_anything_in_any_place_is_a_notification_or_refused(
    kit: Kit, webhook: WebhookKit, data: st.DataObject
) -> None:
    payload = json.loads(data.draw(st.sampled_from(webhook.deliveries))[0])
    place = data.draw(st.sampled_from(list(_places(payload))))
    _opened(kit, webhook, json.dumps(_with(payload, place, data.draw(VALUES))).encode("utf-8", "surrogatepass"))


def _opened(kit: Kit, webhook: WebhookKit, body: bytes) -> None:
    said = still(kit).webhook.open(webhook.ring(body, webhook.keys[0]))
    if isinstance(said, Notification):
        assert said.modified is None or said.modified.tzinfo is not None
    else:
        assert _is_refused(said)


def _is_refused(said: object) -> bool:
    return isinstance(said, Refused) and 400 <= said.status < 500 and bool(said.reason)
