"""What may stand in an address, read as WordPress reads it: everything is text, and what is not known is not seen; and
what stands in a body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce import dates
from bcbridge.sandbox.woocommerce.refusals import invalid, not_json

Fault = tuple[str, str]
"""The kind of fault by WordPress's name, and what is wrong in words."""


@dataclass(frozen=True)
class Argument:
    """``kind`` is integer, boolean, string or date; ``many``: a list, by commas or as ``name[]``."""

    kind: str = "string"
    enum: Sequence[str] = ()
    least: int | None = None
    most: int | None = None
    many: bool = False

    def fault(self, name: str, text: str) -> Fault | None:
        check: Callable[[str, str], Fault | None] | None = {
            "integer": self.no_integer,
            "boolean": no_boolean,
            "date": no_date,
        }.get(self.kind)
        found = check(name, text) if check is not None else None
        if found is None and self.enum and text not in self.enum:
            return "rest_not_in_enum", f"{name} is not one of {listed(self.enum)}."
        return found

    def no_integer(self, name: str, text: str) -> Fault | None:
        if not re.fullmatch(r"[+-]?\d{1,18}", text):
            return "rest_invalid_type", f"{name} is not of type integer."
        number = int(text)
        if self.least is not None and self.most is not None and not self.least <= number <= self.most:
            return "rest_out_of_bounds", f"{name} must be between {self.least} (inclusive) and {self.most} (inclusive)"
        if self.least is not None and number < self.least:
            return "rest_out_of_bounds", f"{name} must be greater than or equal to {self.least}"
        return None

    def read(self, text: str) -> Any:
        if self.kind == "integer":
            return int(text)
        return text.lower() in TRUE if self.kind == "boolean" else text


TRUE = ("true", "1")
FALSE = ("false", "0", "")


def no_boolean(name: str, text: str) -> Fault | None:
    return None if text.lower() in TRUE + FALSE else ("rest_invalid_type", f"{name} is not of type boolean.")


def no_date(_: str, text: str) -> Fault | None:
    return None if dates.ASKED.match(text) else ("rest_invalid_date", "Invalid date.")


def listed(words: Sequence[str]) -> str:
    """``a, b, and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, and {words[-1]}"


def read(query: Mapping[str, str], known: Mapping[str, Argument]) -> dict[str, Any]:
    """The parameters that were given, by name; raises `Refused` (400) naming every wrong one."""
    given: dict[str, Any] = {}
    faults: dict[str, Fault] = {}
    for key, text in query.items():
        name = key.split("[")[0]
        if name not in known:
            continue
        argument = known[name]
        values = parts(key, text) if argument.many else [text]
        before = len(given.get(name, [])) if argument.many else 0
        for at, value in enumerate(values, before):
            found = argument.fault(f"{name}[{at}]" if argument.many else name, value)
            if found is not None:
                faults.setdefault(name, found)
        if name not in faults:
            read_values = [argument.read(value) for value in values]
            given[name] = [*given.get(name, []), *read_values] if argument.many else read_values[0]
    if faults:
        raise invalid(faults)
    return given


def parts(key: str, text: str) -> list[str]:
    """``status=a,b`` is two values, ``status[0]=a`` one."""
    return [text] if "[" in key else [part for part in re.split(r"[\s,]+", text.strip()) if part]


PAGES = {
    "context": Argument(enum=("view", "edit")),
    "page": Argument("integer", least=1),
    "per_page": Argument("integer", least=1, most=100),
    "offset": Argument("integer"),
    "order": Argument(enum=("asc", "desc")),
    "search": Argument(),
    "include": Argument("integer", many=True),
    "exclude": Argument("integer", many=True),
    "after": Argument("date"),
    "before": Argument("date"),
    "dates_are_gmt": Argument("boolean"),
}
POSTS = {
    **PAGES,
    "orderby": Argument(enum=("date", "id", "include", "title", "slug", "modified")),
    "modified_after": Argument("date"),
    "modified_before": Argument("date"),
    "parent": Argument("integer", many=True),
    "parent_exclude": Argument("integer", many=True),
    "dp": Argument("integer"),
}
REFUNDS = POSTS
ONE_ORDER = {"dp": Argument("integer"), "context": PAGES["context"], "force": Argument("boolean")}
PRODUCTS = {
    **POSTS,
    "orderby": Argument(enum=("date", "id", "include", "title", "slug", "modified", "price", "popularity", "rating")),
    "sku": Argument(),
    "search_sku": Argument(),
    "global_unique_id": Argument(),
    "status": Argument(),
    "type": Argument(enum=("simple", "grouped", "external", "variable", "variation")),
}
WEBHOOKS = {
    **PAGES,
    "orderby": Argument(enum=("date", "id", "title")),
    "status": Argument(enum=("all", "active", "paused", "disabled")),
}
NOTES = {"type": Argument(enum=("any", "customer", "internal")), "context": PAGES["context"]}
FORCE = {"force": Argument("boolean")}


def orders(statuses: Sequence[str]) -> dict[str, Argument]:
    """``statuses`` are those an order may have here, a plugin's too."""
    kept, (draft, *others) = "auto-draft", statuses
    assert draft == kept
    return {
        **POSTS,
        "status": Argument(enum=("any", "trash", kept, *others), many=True),
        "customer": Argument("integer"),
        "product": Argument("integer"),
        "created_via": Argument(many=True),
        "order_item_display_meta": Argument("boolean"),
        "include_meta": Argument(many=True),
        "exclude_meta": Argument(many=True),
    }


async def body_of(request: web.Request) -> JSON:
    """The JSON object of a call; none is an empty one. Raises `Refused` (400)."""
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise not_json() from None
    if not isinstance(given, dict):
        raise not_json()
    return given
