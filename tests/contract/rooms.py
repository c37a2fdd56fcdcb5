"""The rooms under claim: every kind the house knows, with the kit it brings. Claims are made of what it offers."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from typing import Any

import httpx
import pytest

from bcbridge.connectors.base import Connector, HeadList, Tools
from bcbridge.connectors.kinds import KINDS
from bcbridge.model.ids import ConnectorName, Ref, Reference
from tests.contract.kit import FeedKit, Kit, Outside, SinkKit, SourceKit

NOBODY = "http://127.0.0.1:9"
"""Where nobody answers: for what is pure."""


def _kits() -> Mapping[str, Kit]:
    found = {kind: f"tests.contract.kits.{kind}" for kind in KINDS}
    return {kind: import_module(name).KIT for kind, name in found.items() if importlib.util.find_spec(name)}


KITS = _kits()

Part = SourceKit | SinkKit | FeedKit


def every(name: str, values: Sequence[tuple[str, Kit, Any]]) -> pytest.MarkDecorator:
    """A claim about ``kit`` and one thing of it, once for each there is."""
    return pytest.mark.parametrize(("kit", name), [pytest.param(kit, value, id=label) for label, kit, value in values])


every_room = pytest.mark.parametrize("kit", [pytest.param(kit, id=kind) for kind, kit in KITS.items()])
every_keeper = pytest.mark.parametrize("kit", [pytest.param(kit, id=kit.kind) for kit in KITS.values() if kit.keeper])
SOURCES = [(f"{kit.kind}.{source.noun}", kit, source) for kit in KITS.values() for source in kit.sources]
SINKS = [(f"{kit.kind}.{sink.noun}", kit, sink) for kit in KITS.values() for sink in kit.sinks]
FEEDS = [(f"{kit.kind}.{feed.noun}", kit, feed) for kit in KITS.values() for feed in kit.feeds]
SHELVES = [(f"{kit.kind}.{kit.shelf.noun}", kit, kit.shelf) for kit in KITS.values() if kit.shelf is not None]
WEBHOOKS = [(kit.kind, kit, kit.webhook) for kit in KITS.values() if kit.webhook is not None]
every_source = every("source", SOURCES)
every_sink = every("sink", SINKS)
every_feed = every("feed", FEEDS)
every_shelf = every("shelf", SHELVES)
every_webhook = every("webhook", WEBHOOKS)


def built(kit: Kit, url: str = NOBODY, *, secrets: Mapping[str, str] | None = None, **changes: Any) -> Any:
    """The connector as the house builds it: settings from a table, then ``build``. Any: it offers its own nouns."""
    kind = KINDS[kit.kind]
    settings = kind.settings.model_validate({**kit.settings(url), **changes})
    tools = Tools(now=lambda: datetime.now(UTC), secret=(secrets or kit.secrets).__getitem__)
    return kind.build(ConnectorName("the-one"), settings, tools)


IMPATIENT: Mapping[str, Any] = {"request_timeout_seconds": 1}
"""Settings of a room that is kept waiting: a deadline proves as much when it is short."""


@cache
def _still(kind: str) -> Any:
    return built(KITS[kind])


def still(kit: Kit) -> Any:
    """A connector for what is pure, made once: it never calls anybody."""
    return _still(kit.kind)


@asynccontextmanager
async def room(kit: Kit, url: str, **changes: Any) -> AsyncIterator[Any]:
    connector: Connector = built(kit, url, **changes)
    try:
        yield connector
    finally:
        await connector.aclose()


@asynccontextmanager
async def outside(kit: Kit, folder: Any) -> AsyncIterator[Outside]:
    """The room's sandbox, holding some records of every noun."""
    async with kit.sandbox(folder) as url, httpx.AsyncClient(timeout=20) as http:
        there = Outside(url, http)
        for source in kit.sources:
            await source.stock(there)
        yield there


Call = Callable[[], Awaitable[object]]


async def drained(pages: AsyncIterator[Any]) -> list[Any]:
    return [page async for page in pages]


Refs = Mapping[str, Sequence[Ref]]


def reading_calls(kit: Kit, connector: Any, refs: Refs | None = None) -> dict[str, Call]:
    """Every call of the contract that only reads, by name; ``refs`` by noun, else those of the samples."""
    calls: dict[str, Call] = {"ping": connector.ping}
    for source in kit.sources:
        known = (refs or {}).get(source.noun) or [sample.document.ref for sample in source.samples]
        calls |= _source_calls(source, getattr(connector, source.noun), known)
    for sink in kit.sinks:
        calls |= _sink_calls(sink, getattr(connector, sink.noun))
    for feed in kit.feeds:
        calls |= _feed_calls(feed, getattr(connector, feed.noun))
    if kit.keeper:
        calls["keep"] = lambda: connector.keeper.keep("http://127.0.0.1:9")
    return calls


def _source_calls(kit: SourceKit, source: Any, refs: Sequence[Ref]) -> dict[str, Call]:
    lists: dict[str, Call] = {f"{kit.noun}.{one.name}": partial(_whole, one) for one in source.lists}
    return lists | {
        f"{kit.noun}.fetch": lambda: source.fetch(refs),
        f"{kit.noun}.sweep": lambda: drained(source.sweep(datetime(2020, 1, 1, tzinfo=UTC))),
    }


async def _whole(one: HeadList) -> list[Any]:
    return await drained(one.pages(""))


def _feed_calls(kit: FeedKit, feed: Any) -> dict[str, Call]:
    return {
        f"{kit.noun}.everything": lambda: drained(feed.everything()),
        f"{kit.noun}.changed": lambda: drained(feed.changed("")),
    }


def _sink_calls(kit: SinkKit, sink: Any) -> dict[str, Call]:
    return {
        f"{kit.noun}.find": lambda: sink.find([Reference("SU77P1G1")]),
        f"{kit.noun}.posted": lambda: drained(sink.posted("")),
    }
