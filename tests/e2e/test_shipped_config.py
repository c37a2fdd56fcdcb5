"""The config and the mappings as they are shipped, run as they are: only the ports differ.

And nobody's name, e-mail or street, and no secret, shows up where it does not belong: only the documents, and the
bodies that were sent, may hold them.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.e2e.books import FITTING, judge
from tests.e2e.shops import BIGCOMMERCE, SHOPIFY, WOOCOMMERCE
from tests.e2e.sold import Record
from tests.e2e.world import ROOT, World, call, environment

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 150.0
SHIRT = "040123000013"
SOMEBODY: dict[str, Any] = {
    "address": {"firstName": "Wilhelmina", "lastName": "Vogelsang", "address1": "99 Zwitscherweg", "city": "Newark"},
    "customer": {"firstName": "Wilhelmina", "lastName": "Vogelsang"},
    "email": "wilhelmina.vogelsang@kanarienpost.example",
    "note": "The bell is broken, sing loudly",
}
SHIPPED = {
    "web": 8080,
    "bluecherry": 9101,
    "slack": 9109,
    "smtp": 9125,
    "shopify": 9102,
    "woocommerce": 9103,
    "bigcommerce": 9104,
}
SHOPS = (replace(SHOPIFY, code="US"), replace(WOOCOMMERCE, code="WC"), replace(BIGCOMMERCE, code="BC"))
ADDRESSES = ("shippingAddress", "billingAddress", "customer", "billing", "shipping", "billing_address")
WHO = ("name", "displayName", "address1", "address_1", "street_1", "email", "phone")
AT_ONCE = 4
"""So many people ask it something at the same time: doctor watches for a while, and nobody waits for that."""
PRIVATE_TABLES = ("documents", "outbox")


class Shipped(World):
    """The shipped files in a folder of their own."""

    def configure(self, **ports: int) -> None:
        text = (ROOT / "config.toml").read_text()
        for name, shipped in SHIPPED.items():
            text = re.sub(rf"\b{shipped}\b", str(self.ports[name]), text)
        self.config.write_text(text)

    def run(self, *, said: str) -> None:
        """``bcbridge run`` as somebody without a terminal starts it; what it says goes into a file."""
        command = [sys.executable, "-m", "bcbridge.cli", "run"]
        with (self.folder / said).open("ab") as paper:
            self.bridge = subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=paper, stderr=paper)
        self.comes(self.bridge_is_up, "it is up", within=PATIENCE_SECONDS)

    def end(self) -> None:
        assert self.bridge is not None
        self.bridge.send_signal(signal.SIGINT)
        assert self.bridge.wait(60) == 0


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """It sells by itself, then what it is told to, then to somebody whose name must not go round."""
    one = Shipped(tmp_path_factory.mktemp("shipped"), shops=SHOPS)
    try:
        one.run(said="bridge.log")
        one.comes(lambda: len(one.sold()) >= 3, "it sells by itself", within=PATIENCE_SECONDS)
        one.faults(one.erp, once={"refuse_text": 1})
        for shop, many in zip(SHOPS, (24, 6, 6), strict=True):
            one.sell_all(many, shop=shop, seed=71, rate=10)  # and no more by itself
            one.order_at(shop, **SOMEBODY, lines=[{"sku": SHIRT}])
        for cart in ({}, {"shipping": {"title": "Drone", "price": "9.00"}}, {"address": {**SOMEBODY["address"]}}):
            one.order(**{**SOMEBODY, "lines": [{"sku": SHIRT}], **cart})
        nonsense = call(
            f"{one.shop}/_sandbox/orders/{one.order(**SOMEBODY, lines=[{'sku': SHIRT}])['legacyResourceId']}"
        )
        nonsense["lineItems"][0]["originalUnitPriceSet"]["presentmentMoney"]["currencyCode"] = "JPY"
        nonsense["shippingAddress"]["zip"] = ["99 Zwitscherweg"]
        broken = call(f"{one.shop}/_sandbox/orders", {"document": as_text(nonsense), "unbookable": ["nonsense"]})
        one.change(broken["legacyResourceId"], "cancel")
        one.comes(lambda: len(one.all_states()) >= orders(one), "all are known", within=PATIENCE_SECONDS)
        refused = one.rows("SELECT connector || ':' || name AS name FROM orders WHERE code = 'erp_refused'")
        one.did("retry", *(row["name"] for row in refused), "--yes") if refused else None
        one.comes(lambda: settled(one), "all have come to rest", within=PATIENCE_SECONDS)
        yield one
    finally:
        if one.bridge is not None and one.bridge.poll() is None:
            one.bridge.send_signal(signal.SIGTERM)
            one.bridge.wait(60)
        one.close()


def as_text(document: Any) -> Any:
    """Amounts as text again: JSON of the standard library has no Decimal."""
    return json.loads(json.dumps(document, default=str))


def orders(one: World) -> int:
    return sum(not sold.no_order for sold in one.sales().values())


def settled(one: World) -> bool:
    if any(one.books(one.at(shop), "happenings") for shop in one.shops):
        return False  # somebody is still to pay, or to cancel
    wanted = {key for key, sold in one.paid().items() if not sold.spoilt} - strange(one)
    return wanted <= one.keys_in("booked")


def strange(one: World) -> set[str]:
    """Keys of orders that are sent in a way nobody has mapped."""
    return {
        f"US{order['legacyResourceId']}"
        for order in one.sold()
        if any(line["title"] == "Drone" for line in order["shippingLines"])
    }


def test_it_books_what_is_sold_to_the_cent(shipped: Shipped) -> None:
    drone = strange(shipped)
    plain = {key: sold for key, sold in shipped.sales().items() if key not in drone}
    assert judge(plain, shipped.booked()).wrong == ()
    assert len(shipped.booked()) > 25
    codes = {key: sorted({FITTING.get(fault, "malformed") for fault in sold.spoilt}) for key, sold in plain.items()}
    blocked = shipped.keys_in("blocked") - {"US"}  # one could not be read, not even its id
    assert blocked - drone == {key for key in blocked & plain.keys() if shipped.problems(key) == codes[key]}


def test_no_secret_and_nobody_s_name_shows_up_where_it_does_not_belong(shipped: Shipped) -> None:
    words = canaries(shipped)
    assert len(words) > 100
    wrong = [(place, word) for place, text in everything_said(shipped) for word in words if word in text]
    assert wrong == []
    kept = json.dumps(shipped.rows("SELECT CAST(body AS TEXT) AS body FROM documents"))
    assert "Zwitscherweg" in kept, "where they do belong, the search finds them"


def canaries(one: World) -> set[str]:
    """What must not be said: people's names, e-mails, streets, phones and notes; secrets. Plain and in base64."""
    plain: set[str] = set()
    for order in (order for shop in SHOPS for order in one.books(one.at(shop), "orders")):
        plain |= {
            str(order[said])
            for said in ("email", "note", "phone", "customer_note", "customer_message")
            if order.get(said)
        }
        for person in ADDRESSES:
            plain |= set(of_person(order.get(person) or {}))
    for file in (one.folder / "var/sandbox/credentials").iterdir():
        if not file.name.endswith("client_id"):  # who we are is no secret
            plain.add(file.read_text().strip())
    plain |= {"Vogelsang", "Zwitscherweg", "kanarienpost"}
    wanted = {word.strip() for word in plain if isinstance(word, str) and len(word.strip()) > 5}
    return wanted | {coded for word in wanted for coded in in_base64(word)}


def of_person(person: Record) -> Iterable[str]:
    yield from (str(person[field]) for field in WHO if person.get(field))
    if person.get("first_name"):
        yield f"{person['first_name']} {person['last_name']}"


def in_base64(word: str) -> Iterator[str]:
    """The word at each of its three places in base64, without what its neighbours would change."""
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + word.encode()).decode()
        yield coded[4 if shift else 0 : len(coded) // 4 * 4 - 4]


def everything_said(one: World) -> Iterator[tuple[str, str]]:
    """Each place somebody may look at, or send on, and what it says."""
    yield "output", (one.folder / "bridge.log").read_text()
    for path in (one.folder / "var").glob("*.log*"):
        yield path.name, path.read_text()
    for address in ("metrics", "health"):
        with urllib.request.urlopen(f"{one.web}/{address}", timeout=30) as answer:
            yield address, answer.read().decode()
    yield "ready", json.dumps(one.ready(), default=str)
    for table in (row["name"] for row in one.rows("SELECT name FROM sqlite_master WHERE type = 'table'")):
        if table not in PRIVATE_TABLES:
            yield f"table {table}", json.dumps(one.rows(f"SELECT * FROM {table}"), default=str)
    asked = [
        (*command, *form)
        for command in (("exceptions",), ("jobs",), ("acts",), ("mappings", "unmapped"), ("check",), ("doctor",))
        for form in ((), ("--json",))
    ]
    for at, name in enumerate(telling(one)):
        forms: tuple[tuple[str, ...], ...] = ((), ("--json",)) if at < 3 else (("--json",),)  # says all the words say
        asked += [("show", name, *form) for form in forms]
    with ThreadPoolExecutor(AT_ONCE) as people:
        yield from zip(map(" ".join, asked), people.map(partial(output, one), asked), strict=True)


def output(one: World, command: Sequence[str]) -> str:
    done = one.cli(*command)
    return done.stdout + done.stderr


def telling(one: World) -> list[str]:
    """One order of each state and code: all that ``show`` can say."""
    called = "connector || ':' || CASE WHEN name = '' THEN ref ELSE name END"
    found = one.rows(f"SELECT min({called}) AS name FROM orders GROUP BY state, code")
    return [row["name"] for row in found]


def test_ended_by_ctrl_c_it_takes_its_sandbox_along(shipped: Shipped) -> None:
    shipped.end()
    assert not shipped.answers(shipped.erp)
