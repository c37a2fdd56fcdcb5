"""A shop, an ERP and the bridge between them, each a process of its own, set up as an installation would be.

The ERP is asked for news every half minute (production: every two), 3,000 calls a minute at most, one at a time: the
shipped values. The shop has points to spare, so that the ERP is what limits the pace.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.world import SANDBOX_UP_SECONDS, World, environment, free_ports, kill, until

CALLS_PER_MINUTE = 3_000

CONFIG = """
[store]
path = "{store_path}"
[web]
port = {web}
public_url = ""
[mappings]
folder = "mappings"
[sandbox]
folder = "var/sandbox"
[connections.bluecherry]
kind = "bluecherry"
base_url = "http://127.0.0.1:{bluecherry}/SNDBX"
subscription_key = "file:var/sandbox/credentials/bluecherry_subscription_key"
erp_timezone = "America/New_York"
poll_every_seconds = 30
requests_per_minute = {calls_per_minute}
max_request_seconds = 5
delta_overlap_seconds = 10
[connections.shopify_us]
kind = "shopify"
shop = "bcbridge-sandbox.myshopify.com"
base_url = "http://127.0.0.1:{shopify}"
client_id = "file:var/shop/credentials/shopify_client_id"
client_secret = "file:var/shop/credentials/shopify_client_secret"
poll_every_seconds = 15
overlap_seconds = 5
code = "SUS"
[channels.shopify_us]
erp = "bluecherry"
code = "SUS"
{more}
"""


@dataclass
class Shopfloor(World):
    """``more``: lines of TOML after those of the usual channel."""

    more: str = ""
    shop_process: subprocess.Popen[bytes] | None = None

    def configure(self, **ports: int) -> None:
        self.config.write_text(
            CONFIG.format(
                **{**self.ports, **ports},
                store_path=self.store_path,
                calls_per_minute=CALLS_PER_MINUTE,
                more=self.more,
            )
        )

    def start_sandbox(self, *, fresh: bool = True) -> None:
        """The ERP in one process and the shop in another: neither waits for the other's work."""
        self.sandbox = self._sandbox(
            "var/sandbox", "bluecherry", "post_every_seconds=1", "wholesale_orders=20", "calls_per_minute=60000"
        )
        self.shop_process = self._sandbox("var/shop", "shopify", "restore_rate=5000", "bucket=100000")
        until(lambda: self.answers(self.erp) and self.answers(self.shop), SANDBOX_UP_SECONDS, "the sandbox answers")

    def _sandbox(self, place: str, system: str, *settings: str) -> subprocess.Popen[bytes]:
        slack, smtp = free_ports(2)
        command = [sys.executable, "-m", "bcbridge.sandbox.main", "--dir", str(self.folder / place)]
        command += ["--serve", f"{system}={self.ports[system]}", "--slack-port", str(slack), "--smtp-port", str(smtp)]
        for setting in settings:
            command += ["--set", f"{system}.{setting}"]
        with (self.folder / "sandbox.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment())

    def erp_answers_after(self, milliseconds: int) -> None:
        """Every call to the ERP takes so long."""
        self.faults(self.erp, clear=True)
        if milliseconds:
            self.faults(self.erp, rates={"slow": 1.0}, values={"slow_ms": milliseconds})

    def close(self) -> None:
        for process in (self.bridge, self.shop_process, self.sandbox):
            kill(process)


@contextmanager
def shopfloor(folder: Path, *, more: str = "") -> Iterator[Shopfloor]:
    floor = Shopfloor(folder, more=more)
    try:
        floor.start_sandbox()
        yield floor
    finally:
        floor.close()
