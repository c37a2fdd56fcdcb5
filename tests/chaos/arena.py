"""The world of a chaos run: the e2e world, tuned to be hurried, with customers made of canaries."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bcbridge.sandbox.catalogue import WEB_SKUS
from tests.e2e.shops import SHOPS, Shop
from tests.e2e.shown import stock
from tests.e2e.sold import Sold
from tests.e2e.world import World, call

STOCK_BUILD_SECONDS = 1
ERP_SETTINGS = """posting_window_hours = 0.002
confirm_by_reference_minutes = 0.05
page_size = 200
[connections.bluecherry.profile]
order_changes = "orderchange"
stock_evidence = ["row_ledger"]
stock_build_seconds = {build}
stock_replica_behind_seconds = {behind}
stock_watch_seconds = 0
clock_skew_seconds = 1
locations_not_for_sale = ["QRN"]
"""
"""Accepted and not posted for seven seconds is an incident here. A replica may answer with the export before."""
LOOKED_AT_AGAIN = "look_again_minutes = 1\n"
"""Whatever waits in a shop; each hour is usual."""
SHOP_SETTINGS = "overlap_seconds = 10\npage_size = 40\nrequest_timeout_seconds = 2\n"
SETTLES = {"bigcommerce_us": "stock_settles_seconds = 4\n"}
"""Twice the longest that the shop takes (plan.py), for a half that takes twice as long."""
HURRIED = tuple(
    replace(
        shop,
        settings=shop.settings.replace("overlap_seconds = 5\n", SHOP_SETTINGS) + SETTLES.get(shop.connection, ""),
    )
    for shop in SHOPS
)
ORDERS = re.compile(r'bcbridge_orders\{connector="[^"]*",state="([^"]*)"\}')
LOUD = """
[log]
level = "debug"
[alerts]
gather_seconds = 2
[alerts.teams.engineers]
slack = "chaos"
email = "duty@example.com"
[alerts.slack.chaos]
webhook = "file:var/sandbox/credentials/slack_webhook"
[alerts.smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
"""
"""All that can be logged is, and all that happens is told: the search for canaries reads it."""
CHANGES = """
[channels.{connection}.changes]
doubt_seconds = 4
"""
DISPATCHES = "doubt_seconds = 4"
"""A call that is lost is lost at once here; a slow one takes less than two."""
CUT_OFF = (OSError, http.client.HTTPException, ValueError)
"""What reading an answer of a daemon that is killed meanwhile may raise: nobody there, half an answer, half a word."""
PAGE = 500
SCARCE = 20
NO_LIMIT = resource.RLIM_INFINITY


def erp_settings(cycle: int) -> str:
    """Those of an ERP that exports its stock so often."""
    return ERP_SETTINGS.format(build=STOCK_BUILD_SECONDS + 1, behind=cycle + 2)


def simulated_erp(cycle: int) -> dict[str, object]:
    stock = {"stock_cycle_seconds": cycle, "stock_build_seconds": STOCK_BUILD_SECONDS}
    return {**stock, "life": 1, "change_path": "orderchange"}


class Arena(World):
    """One folder, one outside, and a daemon that lives many lives."""

    told_to_end = False
    """A person wants the run to end: seen at the next tick, or the next page of a book. An interrupt in the middle of
    anything could lose a process that was just started."""

    def go_on(self) -> None:
        if self.told_to_end:
            raise KeyboardInterrupt

    def configure(self, **ports: int) -> None:
        super().configure(**ports)
        changes = "".join(CHANGES.format(connection=shop.connection) for shop in self.shops)
        self.config.write_text(self.config.read_text() + LOUD.format(**self.ports) + changes)

    def fulfils(self) -> None:
        """WooCommerce's own fulfilments are switched on: what left is in the shop's own books."""
        for shop in self.shops:
            if shop.kind == "woocommerce":
                call(f"{self.at(shop)}/_sandbox/admin/options", {"fulfillments": True})

    def untold(self) -> int:
        """What is still to be told or asked for, by the bridge's own word: dispatches, and work on changes."""
        (row,) = self.rows(
            "SELECT (SELECT count(*) FROM dispatched WHERE owed > 0 AND problems = '[]')"
            " + (SELECT count(*) FROM jobs WHERE flow IN ('dispatches', 'changes') AND state IN ('waiting', 'running'))"
            " AS many"
        )
        return int(row["many"])

    def named(self) -> set[tuple[str, str]]:
        """Orders (connection, name) that a person was told of after they were booked."""
        found: set[tuple[str, str]] = set()
        for code in ("dispatch_blocked", "cancelled_not_stopped", "order_differs"):
            for one in self.did("incidents", "list", "--code", code, "--limit", "5000"):
                found.add((one["connector"], one["text"].partition(": ")[0]))
        return found

    def all_sold(self) -> Iterator[tuple[Shop, Sold]]:
        """Every order of every shop."""
        return ((shop, shop.read(order)) for shop in self.shops for order in self.pages(self.at(shop), "orders"))

    def pages(self, base: str, noun: str) -> Iterator[dict[str, Any]]:
        """All records of a noun, one page of them in memory at a time."""
        after = -1
        while after is not None:
            self.go_on()
            page = call(f"{base}/_sandbox/books/{noun}?limit={PAGE}&after={after}", timeout=120)
            yield from page[noun]
            after = page["next"]

    def made(self) -> int:
        """How many orders the shops have sold."""
        return sum(int(plan["made"]) - int(plan["refused"]) for plan in self.plans())

    def well_stocked(self, pieces: int) -> None:
        """So many pieces more of everything that is sold, but of a few SKUs that run out."""
        upcs = [sku.upc for sku in WEB_SKUS[SCARCE:]]
        places = ((upc, warehouse) for upc in upcs for warehouse in ("NJ1", "CA1"))
        stock(self, *({"do": "receive", "upc": upc, "location": at, "qty": pieces} for upc, at in places))

    def is_selling(self) -> bool:
        return any(plan["state"] == "running" for plan in self.plans())

    def plans(self) -> Iterator[dict[str, Any]]:
        return (plan for shop in self.shops for plan in self.pages(self.at(shop), "plans"))

    def bridge_is_up(self) -> bool:
        try:
            return super().bridge_is_up()
        except CUT_OFF:
            return False

    def states_counted(self) -> dict[str, int]:
        """Orders by state, as ``/metrics`` has them; empty while nobody answers."""
        try:
            found = self.metrics()
        except CUT_OFF:
            return {}
        counted: Counter[str] = Counter()
        for name, many in found.items():
            if state := ORDERS.fullmatch(name):
                counted[state[1]] += int(many)
        return counted

    def skew(self, seconds: float) -> None:
        """Moves the clocks of all shops."""
        for shop in self.shops:
            call(f"{self.at(shop)}/_sandbox/clock", {"advance_seconds": seconds})

    def no_room(self) -> bool:
        """From now on no file of the daemon may grow; whether there was a daemon to tell."""
        return self._limit(0)

    def room_again(self) -> None:
        self._limit(NO_LIMIT)

    def _limit(self, most: int) -> bool:
        if self.bridge is None or self.bridge.poll() is not None:
            return False
        try:
            resource.prlimit(self.bridge.pid, resource.RLIMIT_FSIZE, (most, NO_LIMIT))
        except ProcessLookupError:
            return False
        return True

    def knock(self, delivery: str) -> int:
        """A webhook of our own about the shop's first order; 0 where nobody is there to answer."""
        body = json.dumps({"admin_graphql_api_id": self.first_order()}).encode()
        try:
            return self.ring(body, delivery=delivery)
        except CUT_OFF:
            return 0

    def first_order(self) -> str:
        (first,) = call(f"{self.shop}/_sandbox/books/orders?limit=1")["orders"]
        return str(first["id"])

    def is_in_erp(self, reference: str) -> bool:
        """What a person sees who looks for it in the ERP, after all that was accepted had its turn."""
        call(f"{self.erp}/_sandbox/post", {})
        key = (self.folder / "var/sandbox/credentials/bluecherry_subscription_key").read_text().strip()
        url = f"{self.erp}/SNDBX/api/order?po_num={reference}"
        asked = urllib.request.Request(url, headers={"Ocp-Apim-Subscription-Key": key})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return bool(json.loads(answer.read())["data"]["header"])

    def page(self, name: str) -> bytes:
        """A page of the daemon's front door, whatever its status; empty where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.web}/{name}", timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as said:
            return said.read()
        except CUT_OFF:
            return b""

    def other_servers(self) -> list[str]:
        """Addresses of what is simulated besides the shops and the ERP: where alerts go."""
        told = json.loads((self.folder / "var/sandbox/sandbox.json").read_text())
        spared = {self.erp, *map(self.at, self.shops)}
        return [url for url in told["urls"].values() if url.startswith("http") and url not in spared]

    def everything(self, base: str) -> bytes:
        """All books of a server, noun by noun."""
        nouns = call(f"{base}/_sandbox/")["nouns"]
        return b"\n".join(json.dumps(one, default=str).encode() for noun in nouns for one in self.pages(base, noun))

    def command_lines(self) -> list[str]:
        """What ``ps`` shows of our processes."""
        running = [one for one in (self.bridge, self.sandbox) if one is not None and one.poll() is None]
        return [_command_line(one.pid) for one in running]


def _command_line(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - a file of the kernel's
        return os.fsdecode(file.read().replace(b"\0", b" "))
