"""What ``doctor`` looks at in a store: everything that would make orders missing, wrong or late, said in plain words.

Scopes cannot be listed: each is tried by a read that needs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bcbridge.connectors import looks
from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.bigcommerce.client import LARGEST_PAGE, Client, Data, as_agreed
from bcbridge.connectors.bigcommerce.items import LARGEST_STOCK_PAGE
from bcbridge.connectors.bigcommerce.keeper import Hook, Keeper
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings
from bcbridge.connectors.bigcommerce.webhook import SCOPES
from bcbridge.errors import BridgeError

CLOCKS_APART_SECONDS = 60
NAMED = 5
AT_ORDER = "order_placed"
DISPATCHES = Finding(
    Severity.INFO,
    "dispatches",
    "telling them needs the scope store_v2_orders, which no read can try; the store mails the shopper of each shipment",
    "give the API account orders: modify; the control panel's order notifications say which mails go out",
)
AMENDMENTS = Finding(
    Severity.INFO,
    "amendments",
    "cancelling and marking orders needs the scope store_v2_orders, which no read can try; no money moves by it",
    "give the API account orders: modify; the control panel's order notifications say which mails go out",
)
CAPTURES = Finding(
    Severity.INFO,
    "captures",
    "asking for authorised money needs store_v2_orders or store_v2_transactions to be modified, which no read can try",
    "where captures says bridge, give the API account one of the two",
)


@dataclass(frozen=True, slots=True)
class Look:
    """One thing looked at, the scope it needs, and what is lost where it cannot be seen."""

    topic: str
    at: Callable[[], Awaitable[list[Finding]]]
    scope: str
    lost: str
    severity: Severity = Severity.ERROR


class Doctor:
    """``client_id``: the API account the settings name, if they do."""

    def __init__(self, client: Client, keeper: Keeper, settings: BigCommerceSettings, *, client_id: str | None) -> None:
        self._client = client
        self._keeper = keeper
        self._settings = settings
        self._client_id = client_id

    async def findings(self) -> list[Finding]:
        """Each look on its own: what one of them cannot see is a finding, not an end."""
        seen = await looks.looked_over(
            (looks.agreeing(look.topic, look.at, as_agreed), _blind(look)) for look in self._looks()
        )
        return [*seen, DISPATCHES, CAPTURES, AMENDMENTS, self._quota()]

    def _looks(self) -> Sequence[Look]:
        info, warning = "store_v2_information_read_only", Severity.WARNING
        stock = "stock cannot be kept"
        return (
            Look("store", self._store, info, "the store and its currency are not known"),
            Look("time", self._time, "none", "stamps cannot be compared"),
            Look("orders", self._orders, "store_v2_orders_read_only", "orders cannot be read at all"),
            Look("refunds", self._refunds, "store_v2_transactions_read_only", "refunds cannot be read"),
            Look("skus", self._skus, "store_v2_products_read_only", "a line's own SKU cannot be read"),
            Look("webhooks", self._hooks, info, "no hooks can be kept: polling alone", warning),
            Look("stock", self._stock, "store_v2_information_read_only", stock, warning),
            Look("locations", self._locations, "store_locations_read_only", stock, warning),
            Look("numbers", self._numbers, "store_inventory_read_only", stock, warning),
        )

    async def _store(self) -> list[Finding]:
        store = (await self._client.get("/v2/store")).content
        taxed = "with tax" if store.get("is_price_entered_with_tax") else "net of tax"
        zone = (store.get("timezone") or {}).get("name") or "unknown"
        text = f"{store['id']} ({store.get('plan_level') or 'plan unknown'}), time zone {zone}, prices entered {taxed}"
        found = [Finding(Severity.INFO, "store", text)]
        if store["id"] != self._settings.store_hash:
            wrong = f"the token belongs to {store['id']}, the settings say {self._settings.store_hash}"
            found.insert(0, Finding(Severity.ERROR, "store", wrong, "correct store_hash or the token"))
        booked = f"orders are booked in the currency the customer pays in; the store's own is {store['currency']}"
        fix = "customers.toml needs a house account for each currency sold"
        return [*found, Finding(Severity.INFO, "currency", booked, fix)]

    async def _time(self) -> list[Finding]:
        reply = await self._client.get("/v2/time")
        apart = round(abs(int(reply.content["time"]) - reply.asked.timestamp()))
        if apart > CLOCKS_APART_SECONDS:
            text = f"BigCommerce's clock and ours are {apart} s apart: signatures and stale reads are judged by ours"
            return [Finding(Severity.WARNING, "time", text, "set this machine's clock")]
        return [Finding(Severity.INFO, "time", "BigCommerce's clock and ours agree")]

    async def _orders(self) -> list[Finding]:
        await self._client.get("/v2/orders", {"limit": 1, "sort": "date_modified:desc"})
        return [Finding(Severity.INFO, "orders", "orders can be read")]

    async def _refunds(self) -> list[Finding]:
        await self._client.get("/v3/orders/payment_actions/refunds", {"limit": 1})
        return [Finding(Severity.INFO, "refunds", "refunds can be read")]

    async def _skus(self) -> list[Finding]:
        """A sample: products whose stock BigCommerce does not count ignore every stock figure."""
        await self._client.get("/v3/catalog/variants", {"limit": 1, "include_fields": "sku"})
        params = {"include_fields": "sku,inventory_tracking", "limit": LARGEST_PAGE, "page": 1}
        rows: list[Data] = (await self._client.get("/v3/catalog/products", params)).data() or []
        untracked = [str(row.get("sku") or row["id"]) for row in rows if row["inventory_tracking"] == "none"]
        if not untracked:
            return [Finding(Severity.INFO, "skus", f"of {len(rows)} products looked at each has its stock tracked")]
        named = ", ".join(untracked[:NAMED]) + (" ..." if len(untracked) > NAMED else "")
        text = f"{len(untracked)} of {len(rows)} products looked at do not track stock: {named}"
        return [Finding(Severity.WARNING, "skus", text, "set inventory tracking to variant, or stock is ignored")]

    async def _hooks(self) -> list[Finding]:
        standing = await self._keeper.standing()
        ours = [hook for hook in standing if self._keeper.owns(hook)]
        return [*self._account(standing), *_hooks(ours), *await self._keeper.blocked()]

    def _account(self, standing: Sequence[Hook]) -> list[Finding]:
        """Signatures are made with the secret of the account whose token made the hook."""
        accounts = {hook.client_id for hook in standing}
        if self._client_id is None or not accounts or accounts == {self._client_id}:
            return []
        text = "the token belongs to another API account than client_id names: signed deliveries would be refused"
        return [Finding(Severity.ERROR, "webhooks", text, "take token, client id and secret of one API account")]

    async def _stock(self) -> list[Finding]:
        settings = (await self._client.get("/v3/settings/inventory")).data()
        found = [_behaviour(settings["update_stock_behavior"])]
        for channel in self._settings.channel_ids:
            own = (await self._client.get("/v3/settings/inventory", {"channel_id": channel})).data()
            if own.get("update_stock_behavior") not in (None, settings["update_stock_behavior"]):
                found.append(_behaviour(own["update_stock_behavior"], f"channel {channel}: "))
        if settings.get("refund_order_stock_adjustment"):
            text = "BigCommerce puts stock back when an order is cancelled or refunded"
            found.append(Finding(Severity.INFO, "stock", text, "with the ERP as master of stock switch that off"))
        return found

    async def _locations(self) -> list[Finding]:
        rows = await self._client.all_v3("/v3/inventory/locations")
        default = await self._client.all_v3("/v3/inventory/locations", {"is_default": "true"})
        first = {row["id"] for row in default}
        named = "; ".join(_location(row, default=row["id"] in first) for row in rows) or "none"
        found = [Finding(Severity.INFO, "locations", named)]
        if len(rows) > 1:
            text = "the storefront shows the default location's stock alone, unless BigCommerce switched on aggregation"
            found.append(Finding(Severity.INFO, "locations", text))
        return found

    async def _numbers(self) -> list[Finding]:
        """A sample of the default location: what would be held back twice, and who is told of low numbers."""
        default = await self._client.all_v3("/v3/inventory/locations", {"is_default": "true"})
        if not default:
            return [Finding(Severity.WARNING, "numbers", "no location is the default one: no number is shown")]
        path = f"/v3/inventory/locations/{default[0]['id']}/items"
        rows: list[Data] = (await self._client.get(path, {"limit": LARGEST_STOCK_PAGE})).data() or []
        held = [row for row in rows if (row.get("settings") or {}).get("safety_stock")]
        warned = [row for row in rows if (row.get("settings") or {}).get("warning_level")]
        found = [
            Finding(
                Severity.INFO, "numbers", f"{len(rows)} items looked at, {len(rows) - len(held)} without safety stock"
            )
        ]
        return found + _safety(held) + _low(warned)

    def _quota(self) -> Finding:
        told = self._client.quota.told
        if told is None:
            return Finding(Severity.WARNING, "quota", "no answer told of the store's quota: it cannot be kept")
        kept = round(self._settings.quota_kept_for_others * 100)
        text = f"{told.left} of {told.quota} calls are left in this window; {kept} % are left to the store's other apps"
        return Finding(Severity.INFO, "quota", text)


def _blind(look: Look) -> looks.Blind:
    def said(fault: BridgeError) -> Finding:
        text = f"could not be looked at: {fault}; without it {look.lost}"
        return Finding(look.severity, look.topic, text, f"scope {look.scope}")

    return said


def _hooks(ours: Sequence[Hook]) -> list[Finding]:
    active = {hook.scope for hook in ours if hook.active}
    missing = [scope for scope in SCOPES if scope not in active]
    if not missing:
        return [Finding(Severity.INFO, "webhooks", f"all {len(SCOPES)} hooks stand")]
    text = f"{len(missing)} of {len(SCOPES)} hooks are not there or off: {', '.join(missing)}"
    return [Finding(Severity.INFO, "webhooks", text, "created at start where web.public_url is set; else polled")]


def _behaviour(behaviour: object, where: str = "") -> Finding:
    if behaviour == AT_ORDER:
        return Finding(Severity.INFO, "stock", f"{where}stock is lowered when an order is placed")
    text = "stock is lowered only when an order is shipped or completed: between two stock writes it can oversell"
    fix = "set it to be lowered when an order is placed: then the store itself takes off what it sells"
    return Finding(Severity.WARNING, "stock", where + text, fix)


def _safety(held: Sequence[Data]) -> list[Finding]:
    if not held:
        return []
    text = f"{len(held)} have a safety stock at BigCommerce, as {_named(held)}: it is added to what is written"
    fix = "put the buffer in one place only: ours, and none at BigCommerce"
    return [Finding(Severity.WARNING, "numbers", text, fix)]


def _low(warned: Sequence[Data]) -> list[Finding]:
    if not warned:
        return []
    text = f"{len(warned)} warn of a low number, as {_named(warned)}: the numbers are ours, less the buffer"
    return [Finding(Severity.INFO, "numbers", text)]


def _named(rows: Sequence[Data]) -> str:
    names = [str(row["identity"].get("sku") or row["identity"]["variant_id"]) for row in rows[:NAMED]]
    return ", ".join(names) + (" ..." if len(rows) > NAMED else "")


def _location(row: Data, *, default: bool) -> str:
    notes = [f"id {row['id']}", *(["default"] if default else []), *([] if row.get("enabled", True) else ["off"])]
    return f"{row.get('label') or row.get('code') or ''} ({', '.join(notes)})"
