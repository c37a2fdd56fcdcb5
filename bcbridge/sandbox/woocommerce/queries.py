"""From the parameters of a list to the rows it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from bcbridge.sandbox.woocommerce import dates
from bcbridge.sandbox.woocommerce.orders import UNLISTED, Query
from bcbridge.sandbox.woocommerce.refusals import invalid

Given = Mapping[str, Any]
SOLD = "EXISTS (SELECT 1 FROM json_each(document, '$.line_items') WHERE json_extract(value, '$.product_id') = ?)"
COLUMNS = {"modified": "modified", "date": "created"}


@dataclass
class Building:
    """Conditions with their values, one after another."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition)
        self.values += values

    def among(self, column: str, values: Sequence[Any], *, out: bool = False) -> None:
        marks = ", ".join("?" * len(values))
        self.add(f"{column} {'NOT IN' if out else 'IN'} ({marks})", *values)

    def by_ids(self, given: Given) -> None:
        for name, out in (("include", False), ("exclude", True)):
            if given.get(name):
                self.among("id", given[name], out=out)

    def by_dates(self, given: Given, zone: ZoneInfo, *, modified: str, created: str) -> None:
        """Bounds are never inside, and to the second."""
        for name, column, sign in (
            ("modified_after", modified, ">"),
            ("modified_before", modified, "<"),
            ("after", created, ">"),
            ("before", created, "<"),
        ):
            if name in given:
                self.add(f"{column} {sign} ?", bound(name, given, zone))

    def query(self, column: str, given: Given) -> Query:
        return Query(self.conditions, self.values, column, given.get("order", "desc") == "desc")


def bound(name: str, given: Given, zone: ZoneInfo) -> str:
    try:
        return dates.bound(given[name], zone, dates_are_gmt=bool(given.get("dates_are_gmt")))
    except dates.NoDate:
        raise invalid({name: ("rest_invalid_date", "Invalid date.")}) from None


def orders(given: Given, zone: ZoneInfo) -> Query:
    rows = Building(["status IS NOT NULL"])
    wanted = [one for one in given.get("status", ["any"]) if one != "any"]
    rows.among("status", wanted or UNLISTED, out=not wanted)
    rows.by_dates(given, zone, modified="modified", created="created")
    rows.by_ids(given)
    if "customer" in given:
        rows.add("customer = ?", given["customer"])
    if "product" in given:
        rows.add(SOLD, given["product"])
    if "created_via" in given:
        rows.among("json_extract(document, '$.created_via')", given["created_via"])
    if "search" in given:
        rows.add("document LIKE ?", f"%{given['search']}%")
    return rows.query(COLUMNS.get(given.get("orderby", "date"), "id"), given)


def refunds(given: Given, zone: ZoneInfo, *, order_id: int | None = None) -> Query:
    rows = Building()
    if order_id is not None:
        rows.add("order_id = ?", order_id)
    rows.by_dates(given, zone, modified="at", created="at")
    rows.by_ids(given)
    return rows.query("at", given)


def webhooks(given: Given) -> Query:
    rows = Building()
    if given.get("status", "all") != "all":
        rows.add("status = ?", given["status"])
    rows.by_ids(given)
    return rows.query("id", given)


def products(given: Given) -> Query:
    """Without a SKU asked for, variations are not in the list; with one, they are."""
    rows = Building()
    skus = split(given.get("sku", ""))
    if skus:
        rows.among("sku", skus)
    elif given.get("search_sku"):
        rows.add("sku LIKE ?", f"%{given['search_sku']}%")
    else:
        rows.add("type <> 'variation'")
    if given.get("type"):
        rows.add("type = ?", given["type"])
    if split(given.get("global_unique_id", "")):
        rows.among("gtin", split(given["global_unique_id"]))
    rows.by_ids(given)
    return rows.query("id", given)


def variations(given: Given, parent_id: int) -> Query:
    rows = Building()
    rows.add("parent_id = ?", parent_id)
    rows.by_ids(given)
    return rows.query("id", given)


def split(text: str) -> list[str]:
    return [part for part in text.split(",") if part]
