"""Webhook subscriptions: what must stand at Shopify for it to ring here.

Shopify drops a subscription after eight failures in a row, and anybody may change one; so what stands there is
compared with what is wanted, at start and every few hours, and mended (contracts/shopify/NOTES.md 1.3). Ours bear a
name that starts with ``bcbridge``; others are looked at, never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.shopify.client import Client, Data, as_agreed
from bcbridge.model.ids import ConnectorName

OURS = "bcbridge"
LIST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Subscription:
    """One as it stands at Shopify. ``topic`` in the spelling of their enum."""

    id: str
    topic: str
    uri: str
    name: str
    whole: bool
    """Unfiltered JSON of every field: what rings for every change."""

    @property
    def ours(self) -> bool:
        return self.name.startswith(OURS)


class Keeper:
    """Keeps one shop's subscriptions. ``topics`` as headers spell them."""

    def __init__(self, client: Client, name: ConnectorName, topics: Sequence[str]) -> None:
        self._client = client
        self._name = name
        self._topics = tuple(dict.fromkeys(as_enum(topic) for topic in topics))

    async def keep(self, public_url: str) -> list[Finding]:
        """Create what is missing, repair what points elsewhere, remove strays and doubles of ours."""
        if not public_url:
            text = "without a public address Shopify cannot ring here: none can exist, polling alone is complete"
            return [Finding(Severity.INFO, "webhooks", text, "set web.public_url to be told of orders sooner")]
        if urlsplit(public_url).scheme != "https" and not _is_loopback(public_url):
            return [Finding(Severity.ERROR, "webhooks", "Shopify rings only at an https address", "set web.public_url")]
        uri = hook_address(public_url, self._name)
        standing = await self.standing()
        findings = [finding for topic in self._topics for finding in await self._keep_topic(topic, uri, standing)]
        findings += await self._remove_strays(standing)
        return findings or [Finding(Severity.INFO, "webhooks", f"all {len(self._topics)} subscriptions stand")]

    async def standing(self) -> list[Subscription]:
        """Every subscription of this app, all pages."""
        pages = self._client.slices("subscriptions", {}, "webhookSubscriptions", first=LIST_PAGE)
        nodes = [node async for found, _ in pages for node in found.nodes]
        with as_agreed("subscriptions"):
            return [_subscription(node) for node in nodes]

    async def _keep_topic(self, topic: str, uri: str, standing: Iterable[Subscription]) -> list[Finding]:
        """Exactly one of ours, at our address, unfiltered."""
        same = [one for one in standing if one.topic == topic and (one.ours or one.uri == uri)]
        if not same:
            await self._create(topic, uri)
            return [_mended(f"{topic}: created")]
        same.sort(key=lambda one: not (one.uri == uri and one.whole))
        kept, *doubles = same
        findings = [] if kept.uri == uri and kept.whole else [await self._repair(kept, uri)]
        return findings + [await self._delete(double, "a double") for double in doubles]

    async def _remove_strays(self, standing: Iterable[Subscription]) -> list[Finding]:
        strays = (one for one in standing if one.ours and one.topic not in self._topics)
        return [await self._delete(stray, "no longer wanted") for stray in strays]

    async def _create(self, topic: str, uri: str) -> None:
        await self._client.ask("subscribe", {"topic": topic, "subscription": self._wanted(uri)})

    async def _repair(self, one: Subscription, uri: str) -> Finding:
        """Its address is changed in place; a filter or a choice of fields is taken off by making it anew."""
        if not one.whole:
            await self._client.ask("unsubscribe", {"id": one.id})
            await self._create(one.topic, uri)
            return _mended(f"{one.topic}: made anew, it did not ring for every change")
        await self._client.ask("resubscribe", {"id": one.id, "subscription": self._wanted(uri)})
        return _mended(f"{one.topic}: repaired, it pointed elsewhere")

    async def _delete(self, one: Subscription, why: str) -> Finding:
        await self._client.ask("unsubscribe", {"id": one.id})
        return _did(f"{one.topic}: removed, {why}")

    def _wanted(self, uri: str) -> Data:
        return {"uri": uri, "format": "JSON", "name": f"{OURS}-{self._name}"}


def hook_address(public_url: str, name: ConnectorName) -> str:
    """Where Shopify is to ring for this connector."""
    return f"{public_url.rstrip('/')}/hooks/{quote(name, safe='')}"


def as_enum(topic: str) -> str:
    """``orders/create`` as their enum spells it: ``ORDERS_CREATE``."""
    return topic.replace("/", "_").upper()


def _subscription(node: Data) -> Subscription:
    whole = node["format"] == "JSON" and not node["filter"] and not node["includeFields"]
    return Subscription(node["id"], node["topic"], node["uri"], node["name"] or "", whole)


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _did(text: str) -> Finding:
    return Finding(Severity.INFO, "webhooks", text)


def _mended(text: str) -> Finding:
    """It did not ring until now."""
    return Finding(Severity.WARNING, "webhooks", text)
