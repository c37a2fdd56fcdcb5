"""Where no sandbox answers is production: read-only until a person confirms the write together with its read-back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e import proxy
from tests.e2e.books import judge
from tests.e2e.world import World, call, world

pytestmark = pytest.mark.timeout(300)

SHIRT = "040123000013"
PATIENCE_SECONDS = 90.0
WRITE = "bluecherry.orders"


@contextmanager
def production(folder: Path, *, orders_created_from: datetime | None) -> Iterator[World]:
    """Both systems behind doors of their own; this world's tests still reach the sandbox itself."""
    boundary = f"orders_created_from = {orders_created_from:%Y-%m-%dT%H:%M:%SZ}" if orders_created_from else ""
    with world(folder, channel=boundary) as one:
        ports = one.ports
        with proxy.before(ports["bluecherry"]) as erp, proxy.before(ports["shopify"]) as shop:
            one.configure(bluecherry=erp, shopify=shop)
            one.config.write_text(one.config.read_text().replace("[sandbox]\n", "[sandbox]\nenabled = false\n"))
            yield one
            one.close()


def test_it_books_nothing_before_the_write_is_confirmed_and_then_three_first(tmp_path: Path) -> None:
    go_live = datetime.now(UTC) - timedelta(hours=12)
    with production(tmp_path, orders_created_from=go_live) as one:
        _set_clock(one, hours=-24)
        old = {one.order(lines=[{"sku": SHIRT}])["name"] for _ in range(2)}
        _set_clock(one, hours=0)
        for name in old:  # the backlog itself is not even asked for; what moves after go-live is seen, and left alone
            one.change(name, "hold")
            one.change(name, "release")
        new = {one.order(lines=[{"sku": SHIRT}])["name"] for _ in range(8)}

        said = one.cli("check")
        assert said.returncode == 2
        assert WRITE in said.stdout
        assert "sales orders by po_num" in said.stdout
        one.run_bridge()
        one.comes(lambda: new <= one.in_state("ready"), "they wait, ready", within=PATIENCE_SECONDS)
        one.comes(lambda: old <= one.in_state("never"), "the backlog is not ours", within=PATIENCE_SECONDS)
        assert {one.states()[name] for name in old} == {("never", "before_go_live")}
        ready = one.ready()
        assert ready["ready"] is False
        assert [write["write"] for write in ready["unconfirmed_writes"]] == [WRITE]
        assert "po_num" in ready["unconfirmed_writes"][0]["read_back"]
        assert one.books(one.erp, "inbound") == []

        assert one.cli("confirm", WRITE, "--yes", "--json").returncode != 0, "not without a reason"
        one.did("confirm", WRITE, "--why", "posted 4711 by hand and found it by its number", "--yes")
        one.comes(lambda: new <= one.in_state("booked"), "all are booked", within=PATIENCE_SECONDS)
        assert one.booked_names() == new
        assert judge({key: sold for key, sold in one.sales().items() if sold.name in new}, one.booked()).wrong == ()
        _three_came_first(one, new)
        assert one.cli("check").returncode == 0
        one.comes(lambda: one.ready()["ready"], "and says that it is ready", within=PATIENCE_SECONDS)

        assert one.stop_bridge() == 0
        one.run_bridge()
        later = one.order(lines=[{"sku": SHIRT}])["name"]
        one.comes(lambda: later in one.in_state("booked"), "confirmed once for all", within=PATIENCE_SECONDS)


def _set_clock(one: World, *, hours: int) -> None:
    call(f"{one.shop}/_sandbox/clock", {"offset_seconds": hours * 3600})


def _three_came_first(one: World, names: set[str]) -> None:
    found = one.rows(
        "SELECT name, kind, at FROM events JOIN orders ON orders.id = order_id WHERE kind IN ('sending', 'booked')"
    )
    sent = sorted(row["at"] for row in found if row["kind"] == "sending" and row["name"] in names)
    booked = sorted(row["at"] for row in found if row["kind"] == "booked" and row["name"] in names)
    assert booked[2] < sent[3], "the rest waits until they are booked"


def test_without_a_boundary_it_does_not_start_and_says_what_to_write(tmp_path: Path) -> None:
    with production(tmp_path, orders_created_from=None) as one:
        assert one.cli("check").returncode == 2
        for command in (("run", "--no-live"), ("run", "--fresh", "--no-live")):
            said = one.cli(*command)
            assert said.returncode != 0
            words = "orders_created_from" if "--fresh" not in command else "--fresh is refused"
            assert words in said.stderr
        assert one.books(one.erp, "inbound") == []
        assert not one.store.exists()
