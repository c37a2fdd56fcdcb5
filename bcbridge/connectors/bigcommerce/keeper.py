"""Webhooks: what must stand at BigCommerce for it to ring here.

BigCommerce switches a hook off when deliveries fail for two days, or when nothing happens for ninety, and blocks a
domain for minutes when too many fail at once; so what stands there is compared with what is wanted, at start and every
few hours, and mended. Ours bear a header with this connection's name; others are looked at, never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.bigcommerce.client import Client, Data, as_agreed
from bcbridge.connectors.bigcommerce.failures import Denied, Missing, NotTaken
from bcbridge.connectors.bigcommerce.webhook import SCOPES
from bcbridge.model.ids import ConnectorName

HOOKS = "/v3/hooks"
SECRET_HEADER, NAME_HEADER = "X-Bcbridge-Secret", "X-Bcbridge-Connection"


@dataclass(frozen=True, slots=True)
class Hook:
    """One as it stands at BigCommerce. ``headers`` by lower-case name."""

    id: int
    scope: str
    destination: str
    active: bool
    headers: dict[str, str]
    client_id: str

    def is_of(self, name: ConnectorName) -> bool:
        return self.headers.get(NAME_HEADER.lower()) == name


class Keeper:
    """Keeps one store's hooks. ``secret``: our word that deliveries bear."""

    def __init__(self, client: Client, name: ConnectorName, secret: str | None) -> None:
        self._client = client
        self._name = name
        self._secret = secret

    async def keep(self, public_url: str) -> list[Finding]:
        """Create what is missing, switch on what is off, mend what points elsewhere, remove strays and doubles.

        An account that may not keep hooks may still read orders: that is said, and stops nothing. Raises where the
        store does not let us in at all.
        """
        cannot = self._cannot(public_url)
        if cannot is not None:
            return [cannot]
        try:
            return await self._kept(public_url)
        except (Denied, Missing, NotTaken) as fault:
            await self._client.get("/v2/store")
            text = f"hooks cannot be kept: {fault}; polling alone is complete"
            return [Finding(Severity.ERROR, "webhooks", text, "scope store_v2_information (modify)")]

    async def _kept(self, public_url: str) -> list[Finding]:
        address = hook_address(public_url, self._name)
        standing = await self.standing()
        findings = [finding for scope in SCOPES for finding in await self._keep_scope(scope, address, standing)]
        findings += await self._remove_strays(standing)
        findings += await self.blocked()
        return findings or [Finding(Severity.INFO, "webhooks", f"all {len(SCOPES)} hooks stand")]

    async def standing(self) -> list[Hook]:
        """Every hook made with this API account's token, all pages."""
        rows = await self._client.all_v3(HOOKS)
        with as_agreed(HOOKS):
            return [_hook(row) for row in rows]

    def owns(self, one: Hook) -> bool:
        """Made by us for this connection."""
        return one.is_of(self._name)

    async def blocked(self) -> list[Finding]:
        """Domains BigCommerce sends nothing to for now."""
        admin = (await self._client.get(f"{HOOKS}/admin")).data()
        with as_agreed(f"{HOOKS}/admin"):
            return [_blocked(domain) for domain in admin.get("blocked_domains") or ()]

    def _cannot(self, public_url: str) -> Finding | None:
        """Why no hook can stand; None where nothing is in the way."""
        if not public_url:
            text = "without a public address BigCommerce cannot ring here: none can exist, polling alone is complete"
            return Finding(Severity.INFO, "webhooks", text, "set web.public_url to be told of orders sooner")
        if not self._secret:
            text = "without webhook_secret nobody could be told from BigCommerce: no hook is made, polling is complete"
            return Finding(Severity.INFO, "webhooks", text, "set webhook_secret to be told of orders sooner")
        if not _can_be_rung(public_url):
            text = "BigCommerce rings only at an https address on port 443"
            return Finding(Severity.ERROR, "webhooks", text, "set web.public_url")
        return None

    async def _keep_scope(self, scope: str, address: str, standing: Iterable[Hook]) -> list[Finding]:
        """Exactly one of ours, at our address, active, with our word."""
        same = [one for one in standing if one.scope == scope and (one.is_of(self._name) or one.destination == address)]
        if not same:
            return [await self._put("POST", HOOKS, scope, address, "created")]
        same.sort(key=lambda one: (not self._is_well(one, address), one.id))
        kept, *doubles = same
        findings = [] if self._is_well(kept, address) else [await self._mend(kept, address)]
        return findings + [await self._delete(double, "a double") for double in doubles]

    def _is_well(self, one: Hook, address: str) -> bool:
        told = one.headers.get(SECRET_HEADER.lower()) == self._secret and one.is_of(self._name)
        return one.active and one.destination == address and told

    async def _mend(self, one: Hook, address: str) -> Finding:
        why = "it did not bear our word"
        if one.destination != address:
            why = "it pointed elsewhere"
        elif not one.active:
            why = "BigCommerce had switched it off"
        return await self._put("PUT", f"{HOOKS}/{one.id}", one.scope, address, f"repaired, {why}")

    async def _put(self, method: str, path: str, scope: str, address: str, did: str) -> Finding:
        headers = {SECRET_HEADER: self._secret, NAME_HEADER: self._name}
        body: Data = {"scope": scope, "destination": address, "is_active": True, "headers": headers}
        try:
            await self._client.send(method, path, body)
        except NotTaken as fault:
            text = f"{scope}: no hook stands, {fault}"
            fix = "is the address public, with its whole certificate chain, and are there fewer than ten hooks?"
            return Finding(Severity.ERROR, "webhooks", text, fix)
        return Finding(Severity.WARNING, "webhooks", f"{scope}: {did}")

    async def _remove_strays(self, standing: Sequence[Hook]) -> list[Finding]:
        strays = [one for one in standing if one.is_of(self._name) and one.scope not in SCOPES]
        return [await self._delete(stray, "no longer wanted") for stray in strays]

    async def _delete(self, one: Hook, why: str) -> Finding:
        try:
            await self._client.send("DELETE", f"{HOOKS}/{one.id}")
        except Missing:
            why = f"{why}; it was gone already"
        return Finding(Severity.INFO, "webhooks", f"{one.scope}: removed, {why}")


def hook_address(public_url: str, name: ConnectorName) -> str:
    """Where BigCommerce is to ring for this connector."""
    return f"{public_url.rstrip('/')}/hooks/{quote(name, safe='')}"


def _hook(row: Data) -> Hook:
    given = row["headers"] or {}
    headers = {name.lower(): value for name, value in given.items() if isinstance(value, str)}
    return Hook(int(row["id"]), row["scope"], row["destination"], row["is_active"] is True, headers, row["client_id"])


def _blocked(domain: Data) -> Finding:
    seconds = int(domain["time_left"])
    host = urlsplit(str(domain["destination"])).hostname or "a domain"
    text = f"BigCommerce sends nothing to {host} for another {seconds} s: too many deliveries failed there"
    return Finding(Severity.WARNING, "webhooks", text, "was this address down? What was missed comes by the lists")


def _can_be_rung(url: str) -> bool:
    """https on port 443; an address of this machine is a sandbox's and is taken as it is."""
    parts = urlsplit(url)
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return True
    return parts.scheme == "https" and parts.port in (None, 443)
