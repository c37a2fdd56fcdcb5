"""A whole small world for end-to-end tests: the sandbox as a process, the bridge as a process, one folder.

The judge is the sandbox's own books, read over HTTP (``books.py``); the bridge is never asked whether it did well.
What its store says of an order is only looked at where the claim is about that: a state, a reason, an incident.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.e2e.books import REFERENCE, Judgement, judge
from tests.e2e.nursery import Process, ran, started
from tests.e2e.shops import SHOPIFY, Shop
from tests.e2e.sold import Sold

ROOT = Path(__file__).resolve().parents[2]
SANDBOX_UP_SECONDS = 60.0
BRIDGE_UP_SECONDS = 60.0
SETTLES_WITHIN_SECONDS = 150.0
CLI_WITHIN_SECONDS = 90.0
POLL_SECONDS = 0.1
BOOKS_SECONDS = 1.0
"""So often it is looked up which orders are paid, while some of them are not booked."""
ASKING = 2.0
"""Times as long as asking took, nobody asks: a wait leaves the machine to those who are waited for."""
SELLS_EVERY_SECONDS = 1.5
SHOP_DOMAIN = "bcbridge-sandbox.myshopify.com"
CHANNEL = "shopify_us"

CONFIG = """
[store]
path = "{store_path}"
[web]
port = {web}
public_url = "{public_url}"
[mappings]
folder = "mappings"
[sandbox]
folder = "var/sandbox"
[connections.bluecherry]
kind = "bluecherry"
base_url = "http://127.0.0.1:{bluecherry}/SNDBX"
subscription_key = "file:var/sandbox/credentials/bluecherry_subscription_key"
erp_timezone = "America/New_York"
poll_every_seconds = 0.3
requests_per_minute = 30000
max_request_seconds = {max_request_seconds}
delta_overlap_seconds = 3
{erp_settings}
"""


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@dataclass
class World:
    """One folder, one outside, one bridge (started and killed as the test likes).

    ``erp_settings`` and ``channel`` are lines of TOML for those two tables, ``stock`` those of every channel's numbers
    beside its pools (None: no channel is told any), ``dispatches`` those of what it is told of dispatches (None: of
    none); ``mappings/`` is the folder's own copy of the shipped one. ``simulated_erp`` are settings of the simulated
    ERP.
    """

    folder: Path
    shops: tuple[Shop, ...] = (SHOPIFY,)
    """Those it has; the first one is meant where a test speaks of *the* shop."""
    public: bool = False
    max_request_seconds: float = 0.5
    erp_settings: str = ""
    channel: str = ""
    stock: str | None = None
    dispatches: str | None = None
    simulated_erp: Mapping[str, object] = field(default_factory=dict)
    post_every_seconds: float = 0.3
    store_path: str = "var/bcbridge.db"
    ports: dict[str, int] = field(default_factory=dict)
    sandbox: Process | None = None
    bridge: Process | None = None

    def __post_init__(self) -> None:
        names = ("web", "bluecherry", "slack", "smtp", *(shop.served for shop in self.shops))
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "mappings", self.mappings)
        self._map()
        self.configure()

    def configure(self, **ports: int) -> None:
        """Write config.toml; ``ports`` stand in for this world's own (a proxy before a system)."""
        said = {**self.ports, **ports}
        text = CONFIG.format(
            **said,
            erp_settings=self.erp_settings,
            store_path=self.store_path,
            public_url=self.web if self.public else "",
            max_request_seconds=self.max_request_seconds,
        )
        shops = [
            "\n".join(
                [
                    f"{shop.toml(said[shop.served])}{self.channel}",
                    "" if self.stock is None else shop.shelf(self.stock),
                    "" if self.dispatches is None else shop.told(self.dispatches),
                ]
            )
            for shop in self.shops
        ]
        self.config.write_text("".join([text, *shops]))

    def _map(self) -> None:
        """The shipped tables, less the sections of shops that this world does not have."""
        there = {"default", *(shop.connection for shop in self.shops)}
        for table in self.mappings.glob("*.toml"):
            head, *sections = re.split(r"^(?=\[)", table.read_text(), flags=re.MULTILINE)
            kept = [section for section in sections if section[1 : section.index("]")] in there]
            table.write_text("".join([head, *kept]))

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def mappings(self) -> Path:
        return self.folder / "mappings"

    @property
    def store(self) -> Path:
        return self.folder / self.store_path

    @property
    def erp(self) -> str:
        return f"http://127.0.0.1:{self.ports['bluecherry']}"

    @property
    def shop(self) -> str:
        """Where the first shop is."""
        return self.at(self.shops[0])

    def at(self, shop: Shop) -> str:
        return f"http://127.0.0.1:{self.ports[shop.served]}"

    @property
    def desk(self) -> str:
        """Where alerts arrive, simulated."""
        return f"http://127.0.0.1:{self.ports['slack']}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    # -- the outside ---------------------------------------------------------------------------------------

    def start_sandbox(self, *, fresh: bool = False) -> None:
        """As a process of its own, on this world's ports. ``fresh``: not forked."""
        command = ["-m", "bcbridge.sandbox.main", "--dir", str(self.folder / "var/sandbox")]
        command += ["--slack-port", str(self.ports["slack"]), "--smtp-port", str(self.ports["smtp"])]
        command += ["--serve", f"bluecherry={self.ports['bluecherry']}"]
        settings = {"wholesale_orders": 20, "calls_per_minute": 60_000, **self.simulated_erp}
        settings["post_every_seconds"] = self.post_every_seconds
        for setting, value in settings.items():
            command += ["--set", f"bluecherry.{setting}={value}"]
        for shop in self.shops:
            command += shop.options(self.ports[shop.served])
        log = self.folder / "sandbox.log"
        self.sandbox = started(command, folder=self.folder, env=environment(), out=log, err=log, fresh=fresh)
        servers = [self.erp, *map(self.at, self.shops)]
        until(lambda: all(map(self.answers, servers)), SANDBOX_UP_SECONDS, "the sandbox answers")

    def kill_sandbox(self) -> None:
        kill(self.sandbox)

    def answers(self, base: str) -> bool:
        try:
            return bool(call(f"{base}/_sandbox/"))
        except OSError:
            return False

    def sell(self, orders: int, *, seed: int, shop: Shop | None = None, **plan: object) -> Any:
        at = self.at(shop or self.shops[0])
        return call(f"{at}/_sandbox/sell", {"orders": orders, "seed": seed, **plan})

    def sell_all(self, orders: int, *, seed: int, shop: Shop | None = None, **plan: object) -> None:
        """Sell, and wait until the last of them stands in the shop's books."""
        sells = shop or self.shops[0]
        number = self.sell(orders, seed=seed, shop=sells, **plan)["plan"]
        until(lambda: self.is_sold(sells, number), 60, f"plan {number} is sold")

    def is_sold(self, shop: Shop, plan: int) -> bool:
        return any(one["id"] == plan and one["state"] == "done" for one in self.books(self.at(shop), "plans"))

    def order(self, **cart: object) -> dict[str, Any]:
        """One order by hand, in the first shop; answers id, name and total."""
        return self.order_at(self.shops[0], **cart)

    def order_at(self, shop: Shop, **cart: object) -> dict[str, Any]:
        placed: dict[str, Any] = call(f"{self.at(shop)}/_sandbox/orders", cart)
        return placed

    def change(self, order: str, act: str, shop: Shop | None = None, **details: object) -> Any:
        """``pay``, ``cancel``, ``release`` ... the order of this name at the shop's doors."""
        return call(f"{self.at(shop or self.shops[0])}/_sandbox/orders/{order.lstrip('#')}/{act}", details)

    def faults(self, base: str, **ordered: object) -> Any:
        return call(f"{base}/_sandbox/faults", ordered)

    def happened(self, base: str, fault: str) -> int:
        """How often a fault of the sandbox struck."""
        return int(call(f"{base}/_sandbox/faults")["faults"][fault]["happened"])

    def style(self, style: str, **changed: object) -> Any:
        """The ERP's people at work on the style master."""
        return call(f"{self.erp}/_sandbox/styles", {"style": style, **changed})

    def books(self, base: str, noun: str) -> list[dict[str, Any]]:
        """All records of a noun."""
        return list(self.pages(base, noun))

    def pages(self, base: str, noun: str) -> Iterator[dict[str, Any]]:
        """The same, one page of them in memory at a time."""
        after: object = None
        while True:
            suffix = f"&after={after}" if after is not None else ""
            page = call(f"{base}/_sandbox/books/{noun}?limit=2000{suffix}", timeout=120)
            yield from page[noun]
            after = page.get("next")
            if after is None:
                return

    def messages(self) -> list[dict[str, Any]]:
        """What Slack and the mail server received, oldest first: via, at, to, subject, text, html, blocks."""
        return self.books(self.desk, "messages")

    def sold(self) -> list[dict[str, Any]]:
        """The first shop's orders, in its own words."""
        return self.books(self.shop, "orders")

    def sales(self) -> dict[str, Sold]:
        """What all shops sold, by key."""
        return {key: sold for shop in self.shops for key, sold in self.sales_of(shop).items()}

    def sales_of(self, shop: Shop) -> dict[str, Sold]:
        read = map(shop.read, self.books(self.at(shop), "orders"))
        return {shop.key(sold): sold for sold in read}

    def paid(self) -> dict[str, Sold]:
        """Orders that are paid, real and standing."""
        return {key: sold for key, sold in self.sales().items() if sold.paid}

    def unpaid(self) -> set[str]:
        """Keys of orders whose money the shopper is still going to pay."""
        return {key for key, sold in self.sales().items() if sold.waits}

    def booked(self) -> list[dict[str, Any]]:
        """The ERP's sales orders that came from the shops."""
        codes = tuple(shop.code for shop in self.shops)
        return [order for order in self.books(self.erp, "orders") if str(order["po_num"]).startswith(codes)]

    def booked_names(self) -> set[str]:
        return {str(order["altpo"]) for order in self.booked()}

    def booked_keys(self) -> set[str]:
        held = self.pages(self.erp, "orders")
        return {found[1] for order in held if (found := REFERENCE.fullmatch(str(order["po_num"])))}

    def doubles(self) -> dict[str, int]:
        """References that the ERP holds more than once."""
        counted = Counter(str(order["po_num"]) for order in self.booked())
        return {reference: count for reference, count in counted.items() if count > 1}

    def missing(self) -> set[str]:
        """Names of paid orders that the ERP does not hold."""
        booked = self.booked_keys()
        return {sold.name for key, sold in self.paid().items() if key not in booked}

    def judged(self) -> Judgement:
        """Both books against each other."""
        return judge(self.sales(), self.booked())

    # -- the bridge ----------------------------------------------------------------------------------------

    def start_bridge(self, *arguments: str, fresh: bool = False) -> Process:
        """``tests/e2e/daemon.py``: the product's own app, with what the arguments wire otherwise."""
        command = [str(ROOT / "tests/e2e/daemon.py"), str(self.config), *arguments]
        log = self.folder / "bridge.log"
        self.bridge = started(command, folder=self.folder, env=environment(), out=log, err=log, fresh=fresh)
        return self.bridge

    def run_bridge(self) -> None:
        """Start it and wait until it answers."""
        process = self.start_bridge()
        until(
            lambda: self.bridge_is_up() or process.poll() is not None,
            BRIDGE_UP_SECONDS,
            "the bridge is up",
            tell=self.log_tail,
        )
        assert process.poll() is None, self.log_tail()

    def bridge_is_up(self) -> bool:
        try:
            return bool(call(f"{self.web}/health"))
        except OSError:
            return False

    def stop_bridge(self) -> int:
        """As an operator would; returns the exit code."""
        assert self.bridge is not None
        self.bridge.send_signal(signal.SIGTERM)
        return self.bridge.wait(45)

    def kill_bridge(self) -> None:
        kill(self.bridge)

    def log_tail(self, lines: int = 40) -> str:
        path = self.folder / "bridge.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def ready(self) -> dict[str, Any]:
        """What ``/ready`` says, whether it is or not."""
        try:
            said: dict[str, Any] = call(f"{self.web}/ready")
        except urllib.error.HTTPError as answer:
            said = json.loads(answer.read())
        return said

    def metrics(self) -> dict[str, float]:
        """Every sample of ``/metrics`` by its name and labels as they are written."""
        with urllib.request.urlopen(f"{self.web}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (one.rsplit(" ", 1) for one in lines if not one.startswith("#"))}

    def hooks(self, outcome: str, shop: Shop | None = None) -> float:
        """Webhooks of a shop (the first one) that ended so."""
        labels = f'connector="{(shop or self.shops[0]).connection}",outcome="{outcome}"'
        return self.metrics().get(f"bcbridge_webhooks_total{{{labels}}}", 0.0)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``bcbridge ...`` in this folder."""
        command = ["-m", "bcbridge.cli", *arguments]
        return ran(command, folder=self.folder, env=environment(), within=CLI_WITHIN_SECONDS)

    def did(self, *arguments: str) -> Any:
        """The command's answer in JSON; it must have ended well."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.log_tail()}"
        return json.loads(done.stdout, parse_float=Decimal)

    # -- a webhook of our own ------------------------------------------------------------------------------

    def ring(
        self, body: bytes, *, topic: str = "orders/updated", delivery: str = "d-1", secret: str = "", **headers: str
    ) -> int:
        """Knock as Shopify does; signed with the shop's own secret unless told otherwise. Returns the status."""
        key = secret or (self.folder / "var/sandbox/credentials/shopify_client_secret").read_text().strip()
        sent = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": SHOP_DOMAIN,
            "X-Shopify-API-Version": "2026-10",
            "X-Shopify-Webhook-Id": delivery,
            "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode(),
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        request = urllib.request.Request(f"{self.web}/hooks/{CHANNEL}", data=body, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as fault:
            return fault.code

    # -- what the bridge wrote down ------------------------------------------------------------------------

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Of the bridge's store, read-only; nothing where it has not begun yet."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, parameters)]

    def states(self) -> dict[str, tuple[str, str]]:
        """Each order's state and code by its name, of the first shop."""
        found = self.rows("SELECT name, state, code FROM orders WHERE connector = ?", self.shops[0].connection)
        return {row["name"]: (row["state"], row["code"]) for row in found}

    def all_states(self) -> dict[str, tuple[str, str]]:
        """The same of all shops, by key."""
        codes = {shop.connection: shop.code for shop in self.shops}
        found = self.rows("SELECT connector, channel_id, state, code FROM orders")
        return {f"{codes[row['connector']]}{row['channel_id']}": (row["state"], row["code"]) for row in found}

    def in_state(self, *states: str) -> set[str]:
        return {name for name, (state, _) in self.states().items() if state in states}

    def keys_in(self, *states: str) -> set[str]:
        return {key for key, (state, _) in self.all_states().items() if state in states}

    def codes(self, name: str) -> list[str]:
        """Every problem of a blocked order."""
        (row,) = self.rows("SELECT problems FROM orders WHERE name = ?", name)
        return sorted(problem["code"] for problem in json.loads(row["problems"]))

    def problems(self, key: str) -> list[str]:
        """Every problem of the blocked order of this key, each code once."""
        (row,) = self.rows(f"SELECT problems FROM orders {self._keyed()}", *self._of(key))
        return sorted({problem["code"] for problem in json.loads(row["problems"])})

    def events_by_key(self, key: str) -> list[str]:
        found = self.rows(
            f"SELECT kind FROM events JOIN orders ON orders.id = order_id {self._keyed()} ORDER BY seq", *self._of(key)
        )
        return [row["kind"] for row in found]

    @staticmethod
    def _keyed() -> str:
        return "WHERE connector = ? AND channel_id = ?"

    def _of(self, key: str) -> tuple[str, str]:
        """Connection and channel's id of an order."""
        shop = next(one for one in self.shops if key.startswith(one.code))
        return shop.connection, key.removeprefix(shop.code)

    def events(self, kind: str) -> int:
        return int(self.rows("SELECT count(*) AS n FROM events WHERE kind = ?", kind)[0]["n"])

    def events_of(self, name: str) -> list[str]:
        found = self.rows(
            "SELECT kind FROM events JOIN orders ON orders.id = order_id WHERE name = ? ORDER BY seq", name
        )
        return [row["kind"] for row in found]

    def incidents(self, *, standing: bool = True) -> list[str]:
        """Codes of incidents, those that stand or all there ever were."""
        where = "WHERE closed_at IS NULL" if standing else ""
        return [row["code"] for row in self.rows(f"SELECT code FROM incidents {where} ORDER BY id")]

    # -- waiting -------------------------------------------------------------------------------------------

    def comes(self, condition: Callable[[], bool], what: str, *, within: float = SETTLES_WITHIN_SECONDS) -> None:
        """Wait for a condition while the bridge lives; what it logged last is told where it does not come about."""

        def met() -> bool:
            if condition():
                return True
            assert self.bridge is None or self.bridge.poll() is None, f"the bridge ended\n{self.tell()}"
            return False

        until(met, within, what, tell=self.tell)

    def tell(self) -> str:
        open_orders = {name: said for name, said in self.states().items() if said[0] not in ("booked", "never")}
        return f"open: {open_orders}\nincidents: {self.incidents()}\n{self.log_tail()}"

    def all_booked(self, *, within: float = SETTLES_WITHIN_SECONDS) -> None:
        """Every paid order stands in the ERP, and the bridge knows it. The bridge is asked first, which costs nothing;
        what it says is believed when both books say it."""
        paid, read = set(self.paid()), time.monotonic()

        def known() -> bool:
            nonlocal paid, read
            if not paid <= self.keys_in("booked") and time.monotonic() - read < BOOKS_SECONDS:
                return False
            paid, read = set(self.paid()), time.monotonic()
            return paid <= self.keys_in("booked")

        self.comes(known, "the bridge knows that all paid orders are booked", within=within)
        self.comes(lambda: not self.missing(), "all paid orders are in the ERP", within=within)
        self.comes(known, "the bridge knows it", within=within)

    def sell_until_all_booked(self, *, seed: int, within: float = SETTLES_WITHIN_SECONDS) -> None:
        """Selling goes on, slowly enough to be settled in between: what is posted later ends a doubt about before."""
        sold, last = 0, time.monotonic()

        def settled() -> bool:
            nonlocal sold, last
            if not self.missing():
                return True
            if time.monotonic() - last > SELLS_EVERY_SECONDS:
                sold, last = sold + 1, time.monotonic()
                self.sell_all(1, seed=seed + sold, simple=True)
            return False

        self.comes(settled, "all paid orders are booked while selling goes on", within=within)
        self.all_booked(within=within)

    def close(self) -> None:
        for process in (self.bridge, self.sandbox):
            kill(process)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def kill(process: Process | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        process.wait(10)


@contextmanager
def world(folder: Path, **settings: Any) -> Iterator[World]:
    one = World(folder, **settings)
    try:
        one.start_sandbox()
        yield one
    finally:
        one.close()


def call(url: str, body: object = None, *, method: str | None = None, timeout: float = 30.0) -> Any:
    """GET, or POST of JSON; numbers that are amounts stay exact."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read(), parse_float=Decimal)


def until(condition: Callable[[], bool], seconds: float, what: str, *, tell: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition of the world, with a deadline. What is dear to ask (whole books) is asked less often."""
    deadline = time.monotonic() + seconds
    asked = time.monotonic()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come about within {seconds} s: {what}\n{tell()}")
        time.sleep(max(POLL_SECONDS, ASKING * (time.monotonic() - asked)))
        asked = time.monotonic()
