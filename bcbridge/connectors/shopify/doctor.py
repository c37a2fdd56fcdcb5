"""What ``doctor`` looks at in a shop: everything that would make orders missing, wrong or late, said in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.looks import Look, by_topic, looked_over
from bcbridge.connectors.shopify.client import Client, Data, as_agreed
from bcbridge.connectors.shopify.keeper import Keeper, as_enum
from bcbridge.connectors.shopify.settings import MoneySide, ShopifySettings

LOCATIONS_PAGE = 50
SKUS_PAGE = 250
MOST_SKUS = 10_000
"""Beyond, the look is said to be partial."""
NAMED = 5

NEEDED: Mapping[str, str] = {
    "read_orders": "orders cannot be read at all",
    "read_products": "the SKU and barcode behind a line cannot be read",
    "read_locations": "the location a line leaves from cannot be read",
    "read_merchant_managed_fulfillment_orders": "holds and locations of the shop's own warehouses cannot be read",
}
WANTED: Mapping[str, str] = {
    "read_all_orders": "orders older than 60 days are invisible, refunds on them too",
    "read_customers": "orders are booked without the customer's id",
    "read_assigned_fulfillment_orders": "holds of fulfilment orders assigned to this app are not seen",
    "read_third_party_fulfillment_orders": "holds and locations of fulfilment services are not seen",
    "read_inventory": "the numbers that the shop shows cannot be read, so no stock can be published",
    "write_inventory": "no stock can be published",
    "write_merchant_managed_fulfillment_orders": "what left cannot be told to the shop",
    "write_orders": "what the ERP cancels is not cancelled in the shop, no order is marked there, no money captured",
    "write_order_edits": "pieces that the ERP takes off an order are not taken off it in the shop",
}
"""Scopes by what is lost without them (contracts/shopify/NOTES.md 1.2)."""


class Doctor:
    def __init__(self, client: Client, keeper: Keeper, settings: ShopifySettings) -> None:
        self._client = client
        self._keeper = keeper
        self._settings = settings

    async def findings(self) -> list[Finding]:
        """Each look on its own: what one of them cannot see is a finding, not an end."""
        looks: Mapping[str, Look] = {
            "shop": self._me,
            "locations": self._locations,
            "webhooks": self._subscriptions,
            "skus": self._duplicate_skus,
            "stock": self._habits,
        }
        return await looked_over(by_topic(looks, as_agreed))

    async def locations(self) -> list[Data]:
        """Every location, inactive and legacy ones included."""
        pages = self._client.slices("locations", {}, "locations", first=LOCATIONS_PAGE)
        return [node async for found, _ in pages for node in found.nodes]

    async def _me(self) -> list[Finding]:
        me = await self._client.ask("who_am_i")
        shop = self._shop(me.data["shop"])
        return [*shop, *_scopes(me.data["currentAppInstallation"]), self._version(me.version)]

    def _shop(self, shop: Data) -> list[Finding]:
        found = []
        if shop["myshopifyDomain"] != self._settings.shop:
            text = f"the credentials belong to {shop['myshopifyDomain']}, the settings say {self._settings.shop}"
            found.append(Finding(Severity.ERROR, "shop", text, "correct shop, base_url or the token"))
        taxes = "contain tax" if shop["taxesIncluded"] else "are net of tax"
        plan = shop["plan"]["publicDisplayName"]
        text = f"{shop['myshopifyDomain']} ({plan}), time zone {shop['ianaTimezone']}, prices {taxes}"
        return [*found, Finding(Severity.INFO, "shop", text), self._currency(shop["currencyCode"])]

    def _currency(self, shop_currency: str) -> Finding:
        if self._settings.money_side is MoneySide.SHOP:
            text = f"every order is booked in the shop's currency, {shop_currency}"
            return Finding(Severity.INFO, "currency", text)
        text = f"orders are booked in the currency the customer paid in; the shop's own is {shop_currency}"
        return Finding(Severity.INFO, "currency", text, "customers.toml needs a house account for each currency sold")

    def _version(self, answered: str) -> Finding:
        asked = self._settings.api_version
        if answered == asked:
            return Finding(Severity.INFO, "version", f"the shop answers with API version {asked}")
        text = f"asked for API version {asked}, answered with {answered or 'one it does not name'}"
        return Finding(Severity.ERROR, "version", text, "the version may have ended: a newer bcbridge pins a newer one")

    async def _locations(self) -> list[Finding]:
        named = [_location(one) for one in await self.locations()]
        if not named:
            return [Finding(Severity.ERROR, "locations", "no location can be read", "grant read_locations")]
        return [Finding(Severity.INFO, "locations", "; ".join(named))]

    async def _subscriptions(self) -> list[Finding]:
        wanted = {as_enum(topic) for topic in self._settings.topics}
        missing = wanted - {one.topic for one in await self._keeper.standing() if one.ours}
        if not missing:
            return [Finding(Severity.INFO, "webhooks", f"all {len(wanted)} subscriptions stand")]
        text = f"{len(missing)} of {len(wanted)} webhook subscriptions are not there: {', '.join(sorted(missing))}"
        return [Finding(Severity.INFO, "webhooks", text, "created at start where web.public_url is set; else polled")]

    async def _duplicate_skus(self) -> list[Finding]:
        seen: set[str] = set()
        doubled: set[str] = set()
        compared = 0
        async for found, _ in self._client.slices("duplicate_skus", {}, "productVariants", first=SKUS_PAGE):
            for sku in (node["sku"] for node in found.nodes if node["sku"]):
                (doubled if sku in seen else seen).add(sku)
            compared += len(found.nodes)
            if compared >= MOST_SKUS and found.more:
                return [*_doubled(sorted(doubled)), _partly(compared)]
        return _doubled(sorted(doubled))

    async def _habits(self) -> list[Finding]:
        """How its variants are counted."""
        untracked = bundles = sold_on = compared = 0
        async for found, _ in self._client.slices("stock_habits", {}, "productVariants", first=SKUS_PAGE):
            for node in found.nodes:
                tracked = node["inventoryItem"]["tracked"]
                untracked += not tracked
                bundles += bool(node["requiresComponents"])
                sold_on += bool(tracked) and node["inventoryPolicy"] == "CONTINUE"
            compared += len(found.nodes)
            if compared >= MOST_SKUS and found.more:
                return [*_habits_told(untracked, bundles, sold_on), _partly(compared)]
        return _habits_told(untracked, bundles, sold_on)


def _habits_told(untracked: int, bundles: int, sold_on: int) -> list[Finding]:
    """What is never written is said, and where no number stops a sale."""
    told = []
    if untracked:
        text = f"Shopify does not track {untracked} variants: they are never told a number"
        told.append(Finding(Severity.INFO, "stock", text, "track their quantity if the ERP counts them"))
    if bundles:
        told.append(Finding(Severity.INFO, "stock", f"{bundles} variants are bundles: Shopify counts their components"))
    if sold_on:
        text = f"{sold_on} variants go on selling when none is left"
        told.append(Finding(Severity.WARNING, "stock", text, "make them stop, or expect to sell what is not there"))
    return told or [Finding(Severity.INFO, "stock", "every variant is counted, and stops selling when none is left")]


def _partly(compared: int) -> Finding:
    return Finding(Severity.INFO, "skus", f"only the first {compared} variants were compared")


def _scopes(installation: Data) -> list[Finding]:
    """What is granted against what is used. A write scope contains the read scope of its name."""
    granted = {scope["handle"] for scope in installation["accessScopes"]}
    granted |= {f"read_{handle.removeprefix('write_')}" for handle in granted if handle.startswith("write_")}
    found = [_missing(Severity.ERROR, scope, why) for scope, why in NEEDED.items() if scope not in granted]
    found += [_missing(Severity.WARNING, scope, why) for scope, why in WANTED.items() if scope not in granted]
    return found or [Finding(Severity.INFO, "scopes", "every scope that is used is granted")]


def _missing(severity: Severity, scope: str, why: str) -> Finding:
    return Finding(
        severity, "scopes", f"{scope} is not granted: {why}", f"grant {scope} to the app and install it again"
    )


def _location(node: Data) -> str:
    notes = [
        note for note, holds in (("inactive", not node["isActive"]), ("service", node["isFulfillmentService"])) if holds
    ]
    return f"{node['name']} ({', '.join([node['id'], *notes])})"


def _doubled(skus: Sequence[str]) -> list[Finding]:
    if not skus:
        return [Finding(Severity.INFO, "skus", "no SKU stands on two variants")]
    named = ", ".join(skus[:NAMED]) + (" ..." if len(skus) > NAMED else "")
    return [Finding(Severity.WARNING, "skus", f"{len(skus)} SKUs stand on several variants: {named}", "make each one")]
