"""WooCommerce's own word on what may be asked of it and what it answers: the schemas a real shop gave to ``OPTIONS``.

    check_answer("order", body)                                       # also refund, note, webhook, product, variation
    check_request("GET", "/wp-json/wc/v3/orders", {"page": "1"}, None)

Both raise AssertionError that says every fault in words. The schemas are not wholly true of the shop that gave them:
`SEEN` and the constants after it list what its recorded answers hold besides, and no more than that. An answer must
also have every key that all recorded ones have, so that a simulated shop leaves nothing out. A query parameter that
the route does not know, WordPress drops without a word; here it is a fault, as whoever sent it meant something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError

from tests.conftest import contract_path

JSON = dict[str, Any]

ANSWERS = {
    "order": ("options_orders", ("orders",)),
    "refund": ("options_order_refunds", ("refunds",)),
    "note": ("options_order_notes", ("notes",)),
    "webhook": ("options_webhooks", ("webhooks",)),
    "product": ("options_products", ("products",)),
    "variation": ("options_product_variations", ("products",)),
}
"""By resource: its recorded schema, and the folders with recorded answers."""

MARKS = {
    "order": "order_key",
    "refund": "refunded_by",
    "note": "customer_note",
    "webhook": "delivery_url",
    "product": "catalog_visibility",
    "variation": "menu_order",
}
"""A key by which an answer that was not trimmed is told."""

SHOWN_META = ("display_key", "display_value")
SEEN: dict[str, dict[str, tuple[str, ...]]] = {
    "order": {
        "": ("_links", "currency_symbol"),
        "shipping": ("phone",),
        "line_items[].meta_data[]": SHOWN_META,
        "tax_lines[]": ("rate_percent",),
        "shipping_lines[]": ("tax_status",),
        "shipping_lines[].taxes[]": ("subtotal",),
        "shipping_lines[].meta_data[]": SHOWN_META,
        "fee_lines[]": ("amount",),
        "fee_lines[].meta_data[]": SHOWN_META,
        "coupon_lines[].meta_data[]": SHOWN_META,
    },
    "refund": {
        "": ("_links", "parent_id"),
        "line_items[]": ("global_unique_id", "image", "parent_name"),
        "line_items[].meta_data[]": SHOWN_META,
        "tax_lines[]": ("rate_percent",),
        "shipping_lines[]": ("tax_status",),
        "shipping_lines[].taxes[]": ("subtotal",),
        "shipping_lines[].meta_data[]": SHOWN_META,
        "fee_lines[]": ("amount",),
        "fee_lines[].meta_data[]": SHOWN_META,
    },
    "note": {"": ("_links",)},
    "webhook": {"": ("_links",)},
    "product": {"": ("_links",), "attributes[]": ("option", "slug")},
    "variation": {"": ("_links", "date_created_gmt", "date_modified_gmt", "name"), "attributes[]": ("slug",)},
}
"""Keys of recorded answers that the shop's own schema does not name, by place."""

NULL: dict[str, tuple[str, ...]] = {
    "order": ("date_paid", "date_completed", "line_items[].sku", "line_items[].global_unique_id"),
    "refund": ("line_items[].sku",),
    "note": (),
    "webhook": ("date_modified",),
    "product": ("date_on_sale_from", "date_on_sale_to", "stock_quantity"),
    "variation": ("date_on_sale_from", "date_on_sale_to", "image", "stock_quantity"),
}
"""What may be null although the schema does not say so; of a date its ``_gmt`` twin too."""

OTHER_TYPES: dict[str, dict[str, JSON]] = {
    "order": {"line_items[].parent_name": {"type": ["string", "null"]}},
    "product": {
        "shipping_class_id": {"type": "integer"},
        "total_sales": {"type": ["integer", "string"]},
        "type": {"enum": ["simple", "grouped", "external", "variable", "variation"]},
    },
    "variation": {"shipping_class_id": {"type": "integer"}},
}
"""Where recorded answers have another type, or another value, than the schema says."""

MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"
"""How the shop writes a date: no zone, neither in its own time nor in the ``_gmt`` twin."""

ASKED_MOMENT = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d(:?\d\d)?)?$"
"""How WordPress reads a date."""

ERROR: JSON = {
    "type": "object",
    "required": ["code", "message", "data"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "data": {"anyOf": [{"type": ["integer", "null"]}, {"type": "object", "required": ["status"]}]},
    },
}

EVERYWHERE = re.compile(r"^(_fields|_embed|_envelope|_locale|_method|consumer_key|consumer_secret|oauth_[a-z_]+)$")
"""Parameters that WordPress itself, or the way of signing in, knows on each route."""

ROUTES: tuple[tuple[str, str], ...] = (
    (r"/orders", "options_orders"),
    (r"/orders/\d+", "options_order"),
    (r"/orders/\d+/notes", "options_order_notes"),
    (r"/orders/\d+/refunds", "options_order_refunds"),
    (r"/orders/\d+/fulfillments", "options_order_fulfillments"),
    (r"/refunds", "options_refunds"),
    (r"/products", "options_products"),
    (r"/products/\d+/variations", "options_product_variations"),
    (r"/webhooks", "options_webhooks"),
)
"""Routes with a recorded ``OPTIONS``, below ``/wp-json/wc/v3``."""

BATCHES = ((r"/products/batch", "options_products"), (r"/products/\d+/variations/batch", "options_variations_batch"))
"""Batches: each thing in one takes what its route's POST takes, nothing required. Of ``/products/batch`` no ``OPTIONS``
was recorded."""

MOST_IN_A_BATCH = 100

ONE_OF = ((r"(/webhooks)/\d+", "/webhooks"), (r"(/products)/\d+", "/products"))
"""One thing of a list whose own ``OPTIONS`` was not recorded: it takes what the list's POST takes, nothing required."""

PLAIN = re.compile(
    r"^(|/system_status|/settings/[\w-]+(/[\w-]+)?|/data/currencies(/[\w-]+)?|/payment_gateways|/orders/statuses"
    r"|/products/\d+/variations/\d+|/orders/\d+/(notes|refunds)/\d+|/taxes|/shipping_methods)$"
)
"""Routes that are there (namespace_index_wc_v3.json) and are read without parameters."""

IN_THE_PATH = ("order_id",)
"""Arguments that the address itself holds."""

TRACKINGS = re.compile(r"/wp-json/wc-shipment-tracking/v3/orders/\d+/shipment-trackings")
TRACKING: JSON = {
    "type": "object",
    "required": ["tracking_number"],
    "properties": {
        name: {"type": "string", "minLength": 1}
        for name in ("tracking_number", "tracking_provider", "date_shipped", "custom_tracking_provider")
    }
    | {"custom_tracking_link": {"type": "string", "pattern": "^https?://"}},
    "additionalProperties": False,
}
"""The extension Shipment Tracking: the fields its vendor names (wc-v3-source-derived.json); nothing was recorded."""

SEEN_ARGUMENTS: dict[tuple[str, str], JSON] = {
    ("options_order_refunds", "POST"): {
        "line_items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "quantity": {"type": "integer"},
                    "refund_total": {"type": "number"},
                    "refund_tax": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"id": {"type": "integer"}, "refund_total": {"type": "number"}},
                        },
                    },
                },
            },
        }
    }
}
"""Arguments of recorded requests that the shop's own list does not name."""


# --- answers


def check_answer(
    resource: str, body: object, *, trimmed: bool = False, statuses: Iterable[str] = (), decimals: int = 2
) -> None:
    """Holds one answered thing against the shop's schema and its recordings; ``error`` is any refusal.

    ``trimmed``: asked for with ``_fields``, so that keys may be missing. ``statuses`` are those a plugin adds.
    ``decimals`` is ``dp``. AssertionError lists every fault.
    """
    if resource == "error":
        _told("the error", Draft4Validator(ERROR).iter_errors(body))
        return
    _told(f"the {resource}", _validator(resource, tuple(statuses)).iter_errors(body))
    if not trimmed:
        _complete(resource, body)
    _amounts(resource, body, decimals)


@cache
def _validator(resource: str, statuses: tuple[str, ...]) -> Draft4Validator:
    schema = _answer_schema(resource)
    return Draft4Validator(_with_statuses(schema, ["trash", *statuses]) if resource == "order" else schema)


@cache
def _answer_schema(resource: str) -> JSON:
    name, _ = ANSWERS[resource]
    schema = _strict(_options(name)["schema"], MOMENT)
    for place, keys in SEEN[resource].items():
        _at(schema, place)["properties"].update({key: {} for key in keys})
    for place in NULL[resource]:
        _nullable(schema, place)
    for place, other in OTHER_TYPES.get(resource, {}).items():
        holder, key = _parent(schema, place)
        holder["properties"][key] = other
    return schema


def _nullable(schema: JSON, place: str) -> None:
    holder, key = _parent(schema, place)
    for name in (key, f"{key}_gmt"):
        if name in holder["properties"]:
            holder["properties"][name] = {"anyOf": [holder["properties"][name], {"type": "null"}]}


def _with_statuses(schema: JSON, statuses: list[str]) -> JSON:
    known = schema["properties"]["status"]["enum"]
    return {**schema, "properties": {**schema["properties"], "status": {"enum": [*known, *statuses]}}}


def _complete(resource: str, body: object) -> None:
    missing = [
        f"{place or 'the whole'} lacks {', '.join(sorted(lacks))}"
        for place, keys in _places(body)
        if (lacks := _always(resource).get(place, frozenset()) - keys)
    ]
    assert not missing, f"the {resource} is not as recorded: {'; '.join(missing)}"


@cache
def _always(resource: str) -> dict[str, frozenset[str]]:
    """Keys that every recorded answer has, by place."""
    always: dict[str, frozenset[str]] = {}
    for body in recorded(resource):
        for place, keys in _places(body):
            always[place] = always.get(place, keys) & keys
    return {place: keys for place, keys in always.items() if "_links" not in place}


@cache
def recorded(resource: str) -> tuple[JSON, ...]:
    """Every whole thing of that kind which the real shop answered."""
    found: list[JSON] = []
    for folder in ANSWERS[resource][1]:
        for path in sorted(contract_path("woocommerce", "recorded", folder).glob("*.json")):
            answered = json.loads(path.read_bytes()).get("response", {})
            body = answered.get("body")
            found += [one for one in (body if isinstance(body, list) else [body]) if _is_whole(resource, one)]
    return tuple(found)


def _is_whole(resource: str, body: object) -> bool:
    return isinstance(body, dict) and MARKS[resource] in body and "_links" in body and _kind(body) == resource


def _kind(body: JSON) -> str:
    return next(kind for kind in ("order", "refund", "webhook", "product", "variation", "note") if MARKS[kind] in body)


def _places(body: object, place: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Each object inside, with the place it stands at and its keys. Values of meta data are anybody's."""
    if isinstance(body, list):
        for one in body:
            yield from _places(one, place + "[]")
    elif isinstance(body, dict):
        yield place, frozenset(body)
        for key, value in body.items():
            if not place.endswith("meta_data[]"):
                yield from _places(value, f"{place}.{key}" if place else key)


AMOUNT = re.compile(r"^(.*_)?(total|total_tax|subtotal|subtotal_tax|discount_tax|shipping_tax|cart_tax)$")


def _amounts(resource: str, body: object, decimals: int) -> None:
    """Amounts are texts with the decimals asked for (a coupon's are unrounded, a tax of no part is empty)."""
    written = re.compile(rf"^-?\d+\.\d{{{decimals}}}$" if decimals else r"^-?\d+$")
    wrong = [
        f"{place}: {text!r}"
        for place, text in _texts(body)
        if AMOUNT.match(place.rpartition(".")[2])
        and "meta_data" not in place
        and not place.startswith(("coupon_lines", "refunds[]"))
        and not (text == "" and place.endswith("taxes[].subtotal"))
        and not written.match(text)
    ]
    assert not wrong, f"the {resource} has amounts that are written otherwise than recorded: {'; '.join(wrong)}"


def _texts(body: object, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(body, list):
        for one in body:
            yield from _texts(one, place + "[]")
    elif isinstance(body, dict):
        for key, value in body.items():
            yield from _texts(value, f"{place}.{key}" if place else key)
    elif isinstance(body, str):
        yield place, body


# --- requests


def check_request(
    method: str,
    path: str,
    query: Mapping[str, str | int],
    body: object = None,
    *,
    statuses: Iterable[str] = (),
) -> None:
    """Holds a request of ours against the arguments the route takes; ``path`` may begin with ``/wp-json/wc/v3``.

    Of each parameter: is it known there, its type, enum, bounds and format; of a body: exact JSON types, nothing
    unknown, nothing read-only. ``statuses`` are those a plugin adds. AssertionError lists every fault.
    """
    if TRACKINGS.fullmatch(path):
        if method != "GET":
            _told(f"the body of {method} {path}", Draft4Validator(TRACKING).iter_errors(body))
        return
    route = _route(path)
    if any(re.fullmatch(pattern, route) for pattern, _ in BATCHES):
        _check_batch(method, route, body)
        return
    wanted = {name: value for name, value in query.items() if not EVERYWHERE.match(_name(name))}
    arguments = _arguments(route, method, list(statuses))
    if arguments is None:
        assert method == "GET", f"{method} {route}: the shop has no such method there"
        assert not set(wanted) - {"context"}, f"GET {route} takes no {', '.join(sorted(wanted))}"
        return
    if body is not None:
        properties = {name: _body_schema(one) for name, one in arguments.items()}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        _told(f"the body of {method} {route}", Draft4Validator(schema).iter_errors(body))
    faults = [fault for name, value in wanted.items() for fault in _query_faults(arguments, name, str(value))]
    given = {*IN_THE_PATH, *map(_name, wanted)} | (set(body) if isinstance(body, dict) else set())
    faults += [f"{name} is missing" for name, one in arguments.items() if one.get("required") and name not in given]
    assert not faults, f"{method} {route}: {'; '.join(faults)}"


def _check_batch(method: str, route: str, body: object) -> None:
    """Inside a batch nothing is coerced (contract 1.1): exact types alone. ``type`` would make another class of it."""
    name = next(name for pattern, name in BATCHES if re.fullmatch(pattern, route))
    arguments = {key: one for key, one in _endpoint(name, "POST", route).items() if key not in ("product_id", "type")}
    item = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, **{key: _body_schema(one) for key, one in arguments.items()}},
        "required": ["id"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"update": {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_IN_A_BATCH}},
        "required": ["update"],
        "additionalProperties": False,
    }
    _told(f"the body of {method} {route}", Draft4Validator(schema).iter_errors(body))


def _route(path: str) -> str:
    plain = path.split("?")[0].rstrip("/")
    return re.sub(r"^/wp-json(/wc/v3|$)", "", plain)


def _arguments(route: str, method: str, statuses: list[str]) -> JSON | None:
    """What the route takes of that method; None for one that is only read. AssertionError for what is not there."""
    for pattern, name in ROUTES:
        if re.fullmatch(pattern, route):
            return _with_plugin(_endpoint(name, method, route), statuses)
    for pattern, of in ONE_OF:
        if re.fullmatch(pattern, route) and method != "GET":
            return {"force": {"type": "boolean"}} if method == "DELETE" else _optional(dict(ROUTES)[of])
    assert PLAIN.match(route) or any(re.fullmatch(pattern, route) for pattern, _ in ONE_OF), f"no route {route!r}"
    return None


def _endpoint(name: str, method: str, route: str) -> JSON:
    for endpoint in _options(name)["endpoints"]:
        if method in endpoint["methods"]:
            return {**endpoint["args"], **SEEN_ARGUMENTS.get((name, method), {})}
    raise AssertionError(f"{method} {route}: the shop has no such method there")


def _optional(name: str) -> JSON:
    arguments: JSON = _endpoint(name, "POST", name)
    return {key: {**one, "required": False} for key, one in arguments.items()}


def _with_plugin(arguments: JSON, statuses: list[str]) -> JSON:
    status = arguments.get("status", {})
    if "items" in status:
        items = {**status["items"], "enum": [*status["items"].get("enum", []), *statuses]}
        return {**arguments, "status": {**status, "items": items}}
    return {**arguments, "status": {**status, "enum": [*status["enum"], *statuses]}} if "enum" in status else arguments


def _name(parameter: str) -> str:
    """``status[0]`` and ``status[]`` are ``status``."""
    return parameter.split("[")[0]


def _query_faults(arguments: JSON, parameter: str, text: str) -> Iterator[str]:
    argument = arguments.get(_name(parameter))
    if argument is None:
        yield f"{parameter} is no parameter of this route"
        return
    if argument.get("type") == "array":
        items = argument.get("items", {})
        for one in [text] if "[" in parameter else re.split(r"[\s,]+", text.strip()):
            yield from _value_faults(parameter, one, items)
        return
    yield from _value_faults(parameter, text, argument)


def _value_faults(name: str, text: str, argument: JSON) -> Iterator[str]:
    """What WordPress would say of one value in an address, where everything is text."""
    kind = argument.get("type")
    if kind == "integer" and not re.fullmatch(r"-?\d+", text):
        yield f"{name}={text}: not a whole number"
        return
    if kind == "boolean" and text.lower() not in ("true", "false", "0", "1"):
        yield f"{name}={text}: neither true nor false"
    if argument.get("format") == "date-time" and not re.match(ASKED_MOMENT, text):
        yield f"{name}={text}: not a date"
    if argument.get("enum") and text not in [str(one) for one in argument["enum"]]:
        yield f"{name}={text}: none of {', '.join(str(one) for one in argument['enum'])}"
    if kind == "integer" and not argument.get("minimum", -(2**63)) <= int(text) <= argument.get("maximum", 2**63):
        yield f"{name}={text}: outside {argument.get('minimum', '')}..{argument.get('maximum', '')}"


def _body_schema(argument: JSON) -> JSON:
    return _writable(_strict(argument, ASKED_MOMENT))


def _writable(schema: JSON) -> JSON:
    """Without what is read-only; an ``id`` says which line is meant and stays."""
    changed = dict(schema)
    if "properties" in schema:
        kept = {n: p for n, p in schema["properties"].items() if n == "id" or not p.get("readonly")}
        changed["properties"] = {name: _writable(one) for name, one in kept.items()}
    if "items" in schema:
        changed["items"] = _writable(schema["items"])
    return changed


# --- schemas


@cache
def _options(name: str) -> JSON:
    body: JSON = json.loads(contract_path("woocommerce", "recorded", "schema", f"{name}.json").read_bytes())
    answered: JSON = body["response"]["body"]
    return answered


def _strict(schema: JSON, moment: str) -> JSON:
    """WordPress's dialect as JSON Schema: what is not named is not allowed, its own types in common words."""
    changed = {key: value for key, value in schema.items() if key not in ("required", "default", "format")}
    kind = schema.get("type")
    if kind == "mixed":
        del changed["type"]
    if kind == "date-time" or schema.get("format") == "date-time":
        changed |= {"type": "string", "pattern": moment}
    if "properties" in schema:
        changed["properties"] = {name: _strict(one, moment) for name, one in schema["properties"].items()}
        changed["additionalProperties"] = False
    if "items" in schema:
        changed["items"] = _strict(schema["items"], moment)
    return changed


def _at(schema: JSON, place: str) -> JSON:
    for step in [step for step in place.split(".") if step]:
        schema = schema["properties"][step.removesuffix("[]")]
        schema = schema["items"] if step.endswith("[]") else schema
    return schema


def _parent(schema: JSON, place: str) -> tuple[JSON, str]:
    holder, _, key = place.rpartition(".")
    return _at(schema, holder), key


def _told(what: str, errors: Iterable[ValidationError]) -> None:
    told = [
        f"{'.'.join(str(step) for step in error.absolute_path) or 'all of it'}: {error.message}" for error in errors
    ]
    assert not told, f"{what} is not as the shop's schema says: {'; '.join(told)}"
