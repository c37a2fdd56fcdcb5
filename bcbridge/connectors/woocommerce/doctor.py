"""What ``doctor`` looks at in a shop: everything that would make orders missing, wrong or late, or keep
what left from being told, in plain words.

It writes nothing. Whether the keys may write is asked by deleting a webhook that no shop has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from bcbridge.connectors.base import Finding, Severity
from bcbridge.connectors.looks import Look, by_topic, looked_over
from bcbridge.connectors.woocommerce.amendments import waiting
from bcbridge.connectors.woocommerce.answers import Data, Gone, NotAllowed, NotTaken, as_object
from bcbridge.connectors.woocommerce.client import INDEX, LIST_PAGE, Client, as_agreed
from bcbridge.connectors.woocommerce.dispatches import FULFILMENTS, MAY_NOT
from bcbridge.connectors.woocommerce.keeper import Keeper, unreachable
from bcbridge.connectors.woocommerce.means import Means, ask, has_fulfilments
from bcbridge.connectors.woocommerce.settings import Tracking, WooCommerceSettings
from bcbridge.connectors.woocommerce.signing import Way
from bcbridge.connectors.woocommerce.webhook import ORDER_TOPICS
from bcbridge.errors import OpenCircuit

MOST_PRODUCTS = 2000
MOST_PARENTS = 50
"""Of the products with variations whose variations are looked at: one call each. Beyond, the look is partial."""
NAMED = 5
COUNTED = "sku,manage_stock,stock_quantity,backorders"
NO_WEBHOOK = "/webhooks/0"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOLD = {
    Tracking.FULFILLMENTS: "as fulfilments",
    Tracking.SHIPMENT_TRACKING: "in the order's meta data, with a tracking for each number",
    Tracking.NOTE: "in the order's meta data, with a note for each parcel",
}
SHOWN = {
    Way.BASIC: "in the header (Basic)",
    Way.QUERY: "in the query: the host strips the Authorization header",
    Way.OAUTH1: "by a signature on each call (OAuth 1.0a)",
}


class Doctor:
    def __init__(self, client: Client, keeper: Keeper, settings: WooCommerceSettings) -> None:
        self._client = client
        self._keeper = keeper
        self._settings = settings

    async def findings(self) -> list[Finding]:
        """Each look on its own: what one of them cannot see is a finding, not an end."""
        looks: Mapping[str, Look] = {
            "keys": self._keys,
            "shop": self._shop,
            "system": self._system,
            "statuses": self._statuses,
            "dispatches": self._dispatches,
            "amendments": self._amendments,
            "stock": self._stock,
            "skus": self._products,
            "webhooks": self._webhooks,
        }
        return await looked_over(by_topic(looks, as_agreed))

    # -- keys

    async def _keys(self) -> list[Finding]:
        await self._client.rows("/orders", {"per_page": "1", "_fields": "id"})
        said = Finding(Severity.INFO, "keys", f"the keys are shown {SHOWN[self._client.way or Way.BASIC]}")
        return [said, *self._in_the_clear(), *await self._may_write()]

    def _in_the_clear(self) -> list[Finding]:
        url = urlsplit(self._settings.address)
        if url.scheme == "http" and url.hostname not in LOOPBACK:
            secret = "" if self._client.way is Way.OAUTH1 else ", the secret of the keys too"
            text = f"plain HTTP: every order travels readable for anybody on the way{secret}"
            return [Finding(Severity.WARNING, "keys", text, "give the shop's https address as url")]
        if self._client.way is Way.QUERY:
            text = "the secret stands in the address of every call, so in the logs of the host"
            fix = "let the host pass the Authorization header on to PHP"
            return [Finding(Severity.WARNING, "keys", text, fix)]
        return []

    async def _may_write(self) -> list[Finding]:
        try:
            await self._client.ask(NO_WEBHOOK, {"force": "true"}, method="DELETE")
        except Gone:
            return [Finding(Severity.INFO, "keys", "the keys may write")]
        except OpenCircuit as refused:
            text = f"whether the keys may write: {refused}"
            return [Finding(Severity.WARNING, "keys", text, "make keys with the permission Read/Write")]
        return []

    # -- the shop

    async def _shop(self) -> list[Finding]:
        shop = as_object((await self._client.ask(INDEX, base="")).content)
        zone = shop.get("timezone_string") or f"UTC{shop.get('gmt_offset')}"
        found = [Finding(Severity.INFO, "shop", f"{shop['url']}, time zone {zone}")]
        if "wc/v3" not in shop["namespaces"]:
            text = "the shop does not offer wc/v3"
            found.append(Finding(Severity.ERROR, "shop", text, "activate WooCommerce, and its REST API"))
        return found

    async def _system(self) -> list[Finding]:
        """Needs a user who may manage the shop; what it tells is worth knowing, orders come in without."""
        answer = await self._client.ask("/system_status", {"_fields": "environment,settings"})
        status = as_object(answer.content)
        there, settings = status["environment"], status["settings"]
        kept = "in tables of their own (HPOS)" if settings["HPOS_enabled"] else "as posts"
        text = f"WooCommerce {there['version']} on WordPress {there['wp_version']}, orders are kept {kept}"
        currency = f"{settings['currency']} with {settings['number_of_decimals']} decimals"
        return [
            Finding(Severity.INFO, "system", text),
            Finding(Severity.INFO, "currency", f"the shop's currency is {currency}"),
            *_stale(settings.get("enabled_features") or ()),
        ]

    async def _statuses(self) -> list[Finding]:
        named = ", ".join(self._settings.import_statuses)
        which = {"status": ",".join(self._settings.import_statuses), "per_page": "1", "_fields": "id"}
        try:
            await self._client.rows("/orders", which)
        except NotTaken:
            text = f"the shop does not know each of the statuses to import: {named}"
            return [Finding(Severity.ERROR, "statuses", text, "correct import_statuses")]
        return [Finding(Severity.INFO, "statuses", f"orders are imported at: {named}")]

    # -- dispatches

    async def _dispatches(self) -> list[Finding]:
        """How the shop is told what left, and what is missing for it."""
        means = await ask(self._client, self._settings.tracking)
        return [await self._told(means), *await self._partial()]

    async def _told(self, means: Means) -> Finding:
        if means.way is Tracking.FULFILLMENTS:
            return await self._fulfilments()
        if means.way is Tracking.SHIPMENT_TRACKING and not means.trackings:
            text = "tracking is set to shipment_tracking, and the shop has no such extension"
            return Finding(Severity.ERROR, "dispatches", text, "install Shipment Tracking, or change tracking")
        return Finding(Severity.INFO, "dispatches", f"what left is told {TOLD[means.way]}")

    async def _fulfilments(self) -> Finding:
        """Whether they are there, and for us: asked of the newest order."""
        if not await has_fulfilments(self._client):
            text = "tracking is set to fulfillments, and the shop has no such routes"
            fix = "switch on the feature fulfillments (WooCommerce 10.1 and later), or change tracking"
            return Finding(Severity.ERROR, "dispatches", text, fix)
        newest, _ = await self._client.rows("/orders", {"per_page": "1", "_fields": "id"})
        try:
            for one in newest:
                await self._client.ask(f"/orders/{int(one['id'])}{FULFILMENTS}")
        except NotAllowed:
            text, _, fix = MAY_NOT.partition(": ")
            return Finding(Severity.WARNING, "dispatches", f"what left cannot be told: {text}", fix)
        return Finding(Severity.INFO, "dispatches", f"what left is told {TOLD[Tracking.FULFILLMENTS]}")

    async def _partial(self) -> list[Finding]:
        status = self._settings.partial_status
        try:
            if status:
                await self._client.rows("/orders", {"status": status, "per_page": "1", "_fields": "id"})
        except NotTaken:
            text = f"the shop does not know the status {status}"
            return [Finding(Severity.ERROR, "dispatches", text, "correct partial_status")]
        return []

    # -- amendments

    async def _amendments(self) -> list[Finding]:
        """No look without effect can try them."""
        named = ", ".join(sorted(waiting(self._settings)))
        text = f"orders are cancelled from {named}, and marked, with keys for Read/Write of a user who may edit orders"
        return [Finding(Severity.INFO, "amendments", text)]

    # -- stock and products

    async def _stock(self) -> list[Finding]:
        if await self._option("woocommerce_manage_stock") == "yes":
            return [Finding(Severity.INFO, "stock", "the shop manages stock"), await self._holding()]
        text = "the shop does not manage stock: whatever is written to it is dropped, and it sells without end"
        return [Finding(Severity.WARNING, "stock", text, "WooCommerce, Settings, Products, Inventory: manage stock")]

    async def _holding(self) -> Finding:
        """An unpaid order takes nothing off; for so many minutes the shop keeps its pieces from others all the same."""
        minutes = str(await self._option("woocommerce_hold_stock_minutes") or "0")
        if minutes.strip("0."):
            text = f"the pieces of an unpaid order are kept for {minutes} minutes, then it is cancelled"
            return Finding(Severity.INFO, "stock", text)
        text = "the pieces of an unpaid order are not kept: two who pay at the same moment may both buy the last one"
        return Finding(Severity.WARNING, "stock", text, "WooCommerce, Settings, Products, Inventory: hold stock")

    async def _option(self, name: str) -> object:
        return as_object((await self._client.ask(f"/settings/products/{name}")).content)["value"]

    async def _products(self) -> list[Finding]:
        products, whole = await self._first_products()
        parents = [one["id"] for one in products if one["type"] == "variable"]
        sold = [one for one in products if one["type"] != "variable"]
        for parent in parents[:MOST_PARENTS]:
            fields = {"_fields": f"id,{COUNTED}"}
            sold += await self._client.every_row(f"/products/{int(parent)}/variations", fields, most=MOST_PRODUCTS)
        partly = [] if whole and len(parents) <= MOST_PARENTS else [_partly(len(sold))]
        return [*_doubled(sold), *_counted_by_parent(sold), *self._counted(sold), *partly]

    def _counted(self, sold: Sequence[Data]) -> list[Finding]:
        """What makes a number say less than it seems to."""
        return [*_endless(sold), *_broken(sold), *_uncounted(sold, turn_on=self._settings.turn_on_stock_management)]

    async def _first_products(self) -> tuple[list[Data], bool]:
        """At most so many, and whether these are all."""
        found: list[Data] = []
        for page in range(1, MOST_PRODUCTS // LIST_PAGE + 1):
            which = {"orderby": "id", "order": "asc", "per_page": str(LIST_PAGE), "page": str(page)}
            rows, _ = await self._client.rows("/products", {**which, "_fields": f"id,type,{COUNTED}"})
            found += rows
            if len(rows) < LIST_PAGE:
                return found, True
        return found, False

    # -- webhooks

    async def _webhooks(self) -> list[Finding]:
        standing = await self._keeper.standing()
        active = {one.topic for one in standing if one.status == "active"}
        missing = [topic for topic in ORDER_TOPICS if topic not in active]
        nowhere = {why for one in standing if (why := unreachable(one.url, self._settings.address))}
        found = [Finding(Severity.ERROR, "webhooks", why, "set web.public_url") for why in sorted(nowhere)]
        if not missing:
            return [*found, Finding(Severity.INFO, "webhooks", f"all {len(ORDER_TOPICS)} webhooks stand")]
        text = f"{len(missing)} of {len(ORDER_TOPICS)} webhooks are not there, or not active: {', '.join(missing)}"
        fix = "made at start where web.public_url and webhook_secret are set; else polled"
        return [*found, Finding(Severity.INFO, "webhooks", text, fix)]


def _stale(features: Iterable[str]) -> list[Finding]:
    if "rest_api_caching" not in features:
        return []
    text = "the experimental cache of the REST API is on: orders may read as they were"
    return [Finding(Severity.WARNING, "system", text, "switch the feature rest_api_caching off")]


def _doubled(sold: Sequence[Data]) -> list[Finding]:
    counted = Counter(one["sku"] for one in sold if one["sku"])
    doubled = sorted(str(sku) for sku, times in counted.items() if times > 1)
    if not doubled:
        return [Finding(Severity.INFO, "skus", "no SKU stands on two products or variations")]
    named = ", ".join(doubled[:NAMED]) + (" ..." if len(doubled) > NAMED else "")
    text = f"{len(doubled)} SKUs stand on several products or variations: {named}"
    return [Finding(Severity.WARNING, "skus", text, "make each one")]


def _counted_by_parent(sold: Sequence[Data]) -> list[Finding]:
    """``manage_stock`` of a variation reads "parent" where one number is kept for all sizes."""
    many = sum(one["manage_stock"] == "parent" for one in sold)
    if not many:
        return []
    text = f"{many} variations share the stock of their parent: one number for all of its sizes"
    return [Finding(Severity.WARNING, "stock", text, "manage stock at each variation, not at the product")]


def _endless(sold: Sequence[Data]) -> list[Finding]:
    many = sum(one["manage_stock"] is True and one["backorders"] != "no" for one in sold)
    if not many:
        return []
    text = f"{many} products and variations allow backorders: they are sold without end, whatever number they show"
    return [Finding(Severity.WARNING, "stock", text, "do not allow backorders, unless that is meant")]


def _broken(sold: Sequence[Data]) -> list[Finding]:
    """A number with a fraction has stayed the text that it was sent as."""
    many = sum(isinstance(one["stock_quantity"], str) for one in sold)
    if not many:
        return []
    text = f"{many} numbers are no whole pieces: a plugin counts by weight or length; whole pieces alone are written"
    return [Finding(Severity.WARNING, "stock", text, "leave these articles out of the stock that is published")]


def _uncounted(sold: Sequence[Data], *, turn_on: bool) -> list[Finding]:
    many = sum(one["manage_stock"] is False and one.get("type") not in ("grouped", "external") for one in sold)
    if not many:
        return []
    then = "they are counted from the first number on that is written" if turn_on else "they are left alone"
    return [Finding(Severity.INFO, "stock", f"{many} products and variations manage no stock: {then}")]


def _partly(looked_at: int) -> Finding:
    return Finding(Severity.INFO, "skus", f"only the first {looked_at} products and variations were compared")
