"""The shop's webhooks: what must stand over there for it to ring here.

WooCommerce switches a webhook off after seven failures in a row and tells nobody; switched on again it keeps its count
and goes off at the next failure (contract 1.9). So one that is missing, off or pointing elsewhere is deleted and made
anew. Ours bear the connection's name; others are never touched. The name also bears a mark of the secret, which the
shop never shows: where the secret was changed, the webhook is made anew with it.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.woocommerce.answers import Data, Gone
from bcbridge.connectors.woocommerce.client import Client, as_agreed
from bcbridge.connectors.woocommerce.webhook import ORDER_TOPICS
from bcbridge.errors import OpenCircuit
from bcbridge.model.ids import ConnectorName

MOST_WEBHOOKS = 2000
PORTS = (80, 443, 8080)
"""The only ones WordPress sends to."""
SENDABLE = re.compile(r"[A-Za-z0-9._-]+")
"""A secret that WordPress leaves as it is: it undoes HTML entities in it before it signs."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One webhook as it stands in the shop."""

    id: int
    name: str
    topic: str
    status: str
    url: str


class Keeper:
    """Keeps one shop's webhooks. ``address`` is the shop's; ``secret`` empty where none is set."""

    def __init__(self, client: Client, name: ConnectorName, *, address: str, secret: str) -> None:
        self._client = client
        self._prefix = f"bcbridge {name} "
        self._name = name
        self._address = address
        self._secret = secret

    async def keep(self, public_url: str) -> list[Finding]:
        """Create what is missing, remake what is off or points elsewhere, remove strays and doubles of ours.

        Keys that may not keep webhooks may still read orders: that is said, and stops nothing. Raises where the shop
        does not let us in at all.
        """
        cannot = self._cannot_ring(public_url)
        if cannot is not None:
            return [cannot]
        try:
            return await self._kept(hook_address(public_url, self._name))
        except OpenCircuit as fault:
            if fault.by_content:
                raise
            await self._client.rows("/orders", {"per_page": "1", "_fields": "id"})
            text = f"webhooks cannot be kept: {fault}; polling alone is complete"
            return [Finding(Severity.ERROR, "webhooks", text, "make keys with the permission Read/Write")]

    async def _kept(self, url: str) -> list[Finding]:
        standing = await self.standing(url)
        findings = [finding for topic in ORDER_TOPICS for finding in await self._keep_topic(topic, url, standing)]
        strays = [one for one in standing if one.topic not in ORDER_TOPICS and self._is_ours(one)]
        findings += [await self._remove(stray, "no longer wanted") for stray in strays]
        return findings or [Finding(Severity.INFO, "webhooks", f"all {len(ORDER_TOPICS)} webhooks stand")]

    async def standing(self, url: str = "") -> list[Standing]:
        """Those that bear our name, and those that ring at ``url``; the oldest first."""
        rows = await self._client.every_row("/webhooks", {"orderby": "id", "order": "asc"}, most=MOST_WEBHOOKS)
        with as_agreed("/webhooks"):
            return [one for one in map(_standing, rows) if self._is_ours(one) or one.url == url]

    def _is_ours(self, one: Standing) -> bool:
        return one.name.startswith(self._prefix)

    def is_right(self, one: Standing, url: str) -> bool:
        return one.status == "active" and one.url == url and one.name == self._called(one.topic)

    async def _keep_topic(self, topic: str, url: str, standing: Iterable[Standing]) -> list[Finding]:
        """Exactly one of ours, active, at our address, made with the secret of today."""
        same = sorted((one for one in standing if one.topic == topic), key=lambda one: not self.is_right(one, url))
        if not same:
            await self._create(topic, url)
            return [_mended(f"{topic}: created")]
        kept, *doubles = same
        findings = [] if self.is_right(kept, url) else [await self._remake(kept, url)]
        return findings + [await self._remove(double, "a double") for double in doubles]

    async def _remake(self, one: Standing, url: str) -> Finding:
        await self._delete(one)
        await self._create(one.topic, url)
        if one.status != "active":
            return _mended(f"{one.topic}: the shop had set it to {_status(one)}, made anew")
        why = "the secret or the name has changed" if one.url == url else "it pointed elsewhere"
        return _mended(f"{one.topic}: {why}, made anew")

    async def _remove(self, one: Standing, why: str) -> Finding:
        await self._delete(one)
        topic = one.topic if one.topic in ORDER_TOPICS else "another topic"
        return Finding(Severity.INFO, "webhooks", f"{topic}: removed, {why}")

    async def _create(self, topic: str, url: str) -> None:
        wanted: Data = {
            "name": self._called(topic),
            "topic": topic,
            "delivery_url": url,
            "secret": self._secret,
            "status": "active",
        }
        await self._client.ask("/webhooks", method="POST", body=wanted)

    async def _delete(self, one: Standing) -> None:
        """For good: there is no trash for webhooks. One that went meanwhile is gone as well."""
        try:
            await self._client.ask(f"/webhooks/{one.id}", {"force": "true"}, method="DELETE")
        except Gone:
            return

    def _called(self, topic: str) -> str:
        mark = hmac.digest(self._secret.encode(), b"the name of a webhook of bcbridge", "sha256").hex()[:8]
        return f"{self._prefix}{topic} {mark}"

    def _cannot_ring(self, public_url: str) -> Finding | None:
        """Why the shop can never ring here; None where it can."""
        if not public_url:
            text = "without a public address the shop cannot ring here: none can exist, polling alone is complete"
            return Finding(Severity.INFO, "webhooks", text, "set web.public_url to be told of orders sooner")
        if not self._secret:
            text = "without webhook_secret nobody could tell who rings: none is made, polling alone is complete"
            return Finding(Severity.INFO, "webhooks", text, "set webhook_secret to be told of orders sooner")
        if not SENDABLE.fullmatch(self._secret):
            text = "webhook_secret must be of letters, digits, dots and hyphens: WordPress changes other characters"
            return Finding(Severity.ERROR, "webhooks", text, "make a new one, of letters and digits")
        why = unreachable(public_url, self._address)
        return Finding(Severity.ERROR, "webhooks", why, "set web.public_url") if why else None


def hook_address(public_url: str, name: ConnectorName) -> str:
    """Where the shop is to ring for this connector."""
    return f"{public_url.rstrip('/')}/hooks/{quote(name, safe='')}"


def unreachable(public_url: str, shop: str) -> str:
    """Why WordPress would not deliver there, in words; empty where it would. All is allowed between two on loopback,
    as only a sandbox is."""
    url = urlsplit(public_url)
    if _is_local(url) and _is_local(urlsplit(shop)):
        return ""
    if url.scheme != "https":
        return "a delivery holds a whole order, and the address is not https"
    if (url.port or 443) not in PORTS:
        return f"WordPress delivers to the ports 80, 443 and 8080 only, the address has {url.port}"
    if _is_private(url):
        return "WordPress delivers to public addresses only, and this one is private"
    return ""


def _is_local(url: SplitResult) -> bool:
    return url.hostname in ("127.0.0.1", "localhost", "::1")


def _is_private(url: SplitResult) -> bool:
    try:
        return not ipaddress.ip_address(url.hostname or "").is_global
    except ValueError:  # a name, and whose it is we do not ask
        return _is_local(url)


def _standing(row: Data) -> Standing:
    named = (row["name"], row["topic"], row["status"], row["delivery_url"])
    if isinstance(row["id"], bool) or not isinstance(row["id"], int) or not all(isinstance(one, str) for one in named):
        raise TypeError("a webhook's id is a number, its words are texts")
    return Standing(row["id"], *named)


def _status(one: Standing) -> str:
    return one.status if one.status in ("paused", "disabled") else "another status"


def _mended(text: str) -> Finding:
    """It did not ring until now."""
    return Finding(Severity.WARNING, "webhooks", text)
