"""The simulated shops a world may have: how each is connected, and how its books are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.e2e.sold import Record, Sold, of_bigcommerce, of_shopify, of_woocommerce

CONNECTION = """
[connections.{connection}]
kind = "{kind}"
code = "{code}"
poll_every_seconds = {poll}
{settings}
[channels.{connection}]
erp = "bluecherry"
{channel}"""


@dataclass(frozen=True)
class Shop:
    """One connection and the simulated shop behind it.

    ``settings`` are lines of TOML; in them ``{port}`` is where it listens and ``{keys}`` how its credentials' files
    begin. ``simulated`` are settings of the simulation (``restore_rate=2000``). Names of a shop's orders are its own
    alone: an order of any shop is known by ``code`` and id.
    """

    connection: str
    kind: str
    served: str
    """Its name in the sandbox: the kind's, or the connection's where it is not the first of its kind."""
    code: str
    settings: str
    channel: str
    """Lines of its channel's table."""
    read: Callable[[Record], Sold]
    simulated: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=lambda: {"": "NJ1"}, hash=False)
    """Which warehouse feeds which of its locations, by the ids of its books."""
    pools: str = '{ "*" = ["NJ1"] }'
    """The same in config.toml."""
    poll_every: float = 0.5
    """Seconds."""

    def toml(self, port: int) -> str:
        keys = f"file:var/sandbox/credentials/{self.served}"
        return CONNECTION.format(
            connection=self.connection,
            kind=self.kind,
            code=self.code,
            poll=self.poll_every,
            settings=self.settings.format(port=port, keys=keys),
            channel=self.channel,
        )

    def shelf(self, lines: str) -> str:
        """The table of its numbers."""
        return f"[channels.{self.connection}.stock]\npools = {self.pools}\n{lines}\n"

    def told(self, lines: str) -> str:
        """The table of its dispatches."""
        return f"[channels.{self.connection}.dispatches]\n{lines}\n"

    def options(self, port: int) -> list[str]:
        """Of ``python -m bcbridge.sandbox.main``."""
        said = [part for one in self.simulated for part in ("--set", f"{self.served}.{one}")]
        return ["--serve", f"{self.served}:{self.kind}={port}", *said]

    def key(self, sold: Sold) -> str:
        """How every reference made for this order begins."""
        return f"{self.code}{sold.id}"

    def also(self, connection: str, code: str) -> Shop:
        """Another shop of the kind, beside the first."""
        return replace(self, connection=connection, code=code, served=connection)


SHOPIFY = Shop(
    connection="shopify_us",
    kind="shopify",
    served="shopify",
    code="SUS",
    settings="""shop = "bcbridge-sandbox.myshopify.com"
base_url = "http://127.0.0.1:{port}"
client_id = "{keys}_client_id"
client_secret = "{keys}_client_secret"
money_side = "presentment"
overlap_seconds = 5
""",
    channel="",
    read=of_shopify,
    simulated=("restore_rate=2000", "bucket=40000"),
    places={"gid://shopify/Location/72100000001": "NJ1", "gid://shopify/Location/72100000002": "CA1"},
    pools='{ "New Jersey DC" = ["NJ1"], "California DC" = ["CA1"] }',
)
WOOCOMMERCE = Shop(
    connection="woocommerce_eu",
    kind="woocommerce",
    served="woocommerce",
    code="SWC",
    settings="""url = "http://127.0.0.1:{port}"
consumer_key = "{keys}_consumer_key"
consumer_secret = "{keys}_consumer_secret"
webhook_secret = "{keys}_webhook_secret"
payment_fees = ["Gift card", "Store credit"]
overlap_seconds = 5
""",
    channel='authorised_gateways = ["cod"]\n',
    read=of_woocommerce,
    simulated=("webhook_seconds=0.05",),
)
BIGCOMMERCE = Shop(
    connection="bigcommerce_us",
    kind="bigcommerce",
    served="bigcommerce",
    code="SBC",
    settings="""store_hash = "sandbox1"
base_url = "http://127.0.0.1:{port}"
access_token = "{keys}_access_token"
client_secret = "{keys}_client_secret"
webhook_secret = "{keys}_webhook_secret"
overlap_seconds = 5
""",
    channel="",
    read=of_bigcommerce,
    simulated=("quota=100000",),
    places={"1": "NJ1"},
)
SHOPS = (SHOPIFY, WOOCOMMERCE, BIGCOMMERCE)
"""One of each kind."""
