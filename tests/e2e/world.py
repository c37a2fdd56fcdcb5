"""A whole small world for end-to-end tests: the sandbox as a process, the bridge as a process, one folder.

The judge is the sandbox's own books, read over HTTP; the bridge is never asked whether it did well.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SANDBOX_UP_SECONDS = 60.0
POLL_SECONDS = 0.1

CONFIG = """
[store]
path = "var/bcbridge.db"
[web]
port = {web}
public_url = "{public_url}"
[mappings]
folder = "{mappings}"
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
[connections.shopify_us]
kind = "shopify"
shop = "sandbox.myshopify.com"
base_url = "http://127.0.0.1:{shopify}"
client_id = "file:var/sandbox/credentials/shopify_client_id"
client_secret = "file:var/sandbox/credentials/shopify_client_secret"
poll_every_seconds = 0.5
overlap_seconds = 5
code = "SUS"
[channels.shopify_us]
erp = "bluecherry"
code = "SUS"
{channel}
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
    """One folder, one outside, one bridge (started and killed as the test likes)."""

    folder: Path
    public: bool = False
    max_request_seconds: float = 0.5
    channel: str = ""
    post_every_seconds: float = 0.3
    ports: dict[str, int] = field(default_factory=dict)
    sandbox: subprocess.Popen[bytes] | None = None
    bridge: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        names = ("web", "bluecherry", "shopify")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        config = CONFIG.format(
            **self.ports,
            mappings=ROOT / "mappings",
            public_url=f"http://127.0.0.1:{self.ports['web']}" if self.public else "",
            max_request_seconds=self.max_request_seconds,
            channel=self.channel,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(config)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def erp(self) -> str:
        return f"http://127.0.0.1:{self.ports['bluecherry']}"

    @property
    def shop(self) -> str:
        return f"http://127.0.0.1:{self.ports['shopify']}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    # -- the outside ---------------------------------------------------------------------------------------

    def start_sandbox(self) -> None:
        """As a process of its own, on this world's ports."""
        command = [sys.executable, "-m", "bcbridge.sandbox.main", "--dir", str(self.folder / "var/sandbox")]
        command += ["--bluecherry-port", str(self.ports["bluecherry"]), "--shopify-port", str(self.ports["shopify"])]
        command += ["--post-every-seconds", str(self.post_every_seconds), "--wholesale-orders", "20"]
        command += ["--calls-per-minute", "60000", "--restore-rate", "2000"]
        with (self.folder / "sandbox.log").open("ab") as log:
            self.sandbox = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until(lambda: self.answers(self.erp) and self.answers(self.shop), SANDBOX_UP_SECONDS, "the sandbox answers")

    def answers(self, base: str) -> bool:
        try:
            return bool(call(f"{base}/_sandbox/"))
        except OSError:
            return False

    def sell(self, orders: int, *, seed: int, **plan: object) -> Any:
        return call(f"{self.shop}/_sandbox/sell", {"orders": orders, "seed": seed, **plan})

    def faults(self, base: str, **ordered: object) -> Any:
        return call(f"{base}/_sandbox/faults", ordered)

    def books(self, base: str, noun: str) -> list[dict[str, Any]]:
        """All records of a noun, page by page."""
        rows: list[dict[str, Any]] = []
        after: object = None
        while True:
            suffix = f"&after={after}" if after is not None else ""
            page = call(f"{base}/_sandbox/books/{noun}?limit=2000{suffix}")
            rows += page[noun]
            after = page.get("next")
            if after is None:
                return rows

    def sold(self) -> list[dict[str, Any]]:
        return self.books(self.shop, "orders")

    def paid(self) -> list[dict[str, Any]]:
        """Orders of the shop that are paid, real and standing."""
        return [
            order
            for order in self.sold()
            if order["displayFinancialStatus"] == "PAID" and not order["test"] and not order["cancelledAt"]
        ]

    def booked(self) -> list[dict[str, Any]]:
        """The ERP's sales orders that came from the shop."""
        return [order for order in self.books(self.erp, "orders") if str(order["po_num"]).startswith("SUS")]

    def doubles(self) -> dict[str, int]:
        """References that the ERP holds more than once."""
        counted = Counter(str(order["po_num"]) for order in self.booked())
        return {reference: count for reference, count in counted.items() if count > 1}

    def missing(self) -> set[str]:
        """Names of paid orders that the ERP does not hold."""
        return {order["name"] for order in self.paid()} - {str(order["altpo"]) for order in self.booked()}

    # -- the bridge ----------------------------------------------------------------------------------------

    def start_bridge(self, *arguments: str, program: Path | None = None) -> subprocess.Popen[bytes]:
        """``tests/e2e/daemon.py`` by default: the product's own app, with what the arguments wire otherwise."""
        command = [sys.executable, str(program or ROOT / "tests/e2e/daemon.py"), str(self.config), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / "bridge.log").open("ab") as log:
            self.bridge = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        return self.bridge

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

    def log_tail(self, lines: int = 40) -> str:
        path = self.folder / "bridge.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def close(self) -> None:
        for process in (self.bridge, self.sandbox):
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


def call(url: str, body: object = None, *, timeout: float = 30.0) -> Any:
    """GET, or POST of JSON; numbers that are amounts stay exact."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read(), parse_float=Decimal)


def until(condition: Callable[[], bool], seconds: float, what: str, *, tell: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition of the world, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come about within {seconds} s: {what}\n{tell()}")
        time.sleep(POLL_SECONDS)
