"""BigCommerce's own OpenAPI files as judge of what is asked of it and of what a simulated shop answers.

`check_request` and `check_answer` find the operation by method and path (``/stores/{hash}/v2/...``, with or
without what stands before ``/stores``) and raise an AssertionError that says in words what does not fit. The
files are read in place (``../shared/contracts/bigcommerce/reference``), once per run.

The vendor's schemas forbid no unknown field, so a misspelt one would pass: here a field that the schema does not
name is an error, in what we ask (always) and in what is answered (unless ``described=False``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.conftest import contract_path

HOME = "https://openapi.bigcommerce/"
METHODS = ("get", "post", "put", "delete", "patch")
TROUBLE_V2 = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "required": ["status", "message"], "properties": {"status": {"type": "integer"}}},
}
"""What the v2 API says of every error; the OpenAPI describes none of its own."""
TROUBLE_V3 = {
    "type": "object",
    "required": ["status", "title"],
    "properties": {"status": {"type": "integer"}, "title": {"type": "string"}},
}

SHOWN = {
    "orders.v2.oas2.yml": {
        "credit_card_type": "in every example of an order",
        "custom_status": "in every example of an order: the label, which a shop may change",
        "fees": "in the example of an order's fees, which its schema calls one single fee",
        "order": "in every example of an order status: its place in the list",
    }
}
"""Fields the vendor's own examples show although its schemas do not name them."""

INHERITED = {"/settings/inventory"}
"""Where null stands for "as the store's own", in words and in no schema."""

Query = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Operation:
    """One method of one path, as one of the files describes it."""

    file: str
    version: str
    template: str
    method: str
    described: dict[str, Any]
    shared: tuple[dict[str, Any], ...]
    """Parameters of the path that every method of it has."""

    def __str__(self) -> str:
        return f"{self.method.upper()} /{self.version}{self.template}"

    def matches(self, path: str) -> bool:
        return re.fullmatch(re.sub(r"\\{[^/]+?\\}|\{[^/]+?\}", "[^/]+", self.template), path) is not None

    def parameters(self, where: str) -> dict[str, dict[str, Any]]:
        """Parameters by name that stand ``where`` (query, path, header)."""
        stated = [resolved(self.file, one) for one in (*self.shared, *self.described.get("parameters", ()))]
        return {one["name"]: one for one in stated if one["in"] == where}

    def answer(self, status: int) -> dict[str, Any] | None:
        """The response described for that status, or None."""
        found = self.described["responses"].get(str(status))
        return None if found is None else resolved(self.file, found)

    def body(self) -> dict[str, Any] | None:
        """The schema of the JSON body, or None where none is sent."""
        found = self.described.get("requestBody")
        return None if found is None else schema_of(resolved(self.file, found))


def check_request(method: str, path: str, query: Query = (), body: object = None) -> None:
    """Raises AssertionError where the operation, a query parameter or the JSON body is none of the vendor's."""
    operation = operation_of(method, path)
    _check_query(operation, list(query.items()) if isinstance(query, Mapping) else list(query))
    schema = operation.body()
    if schema is None:
        assert body is None, f"{operation}: takes no body, {body!r} was sent"
    else:
        assert body is not None, f"{operation}: a body is expected, none was sent"
        judge(operation.file, schema, _said(operation, body), f"{operation}: the body sent")
        _no_strangers(operation.file, schema, body, f"{operation}: the body sent")


def check_answer(method: str, path: str, status: int, body: object = None, *, described: bool = True) -> None:
    """Raises AssertionError where the answer is none that the vendor describes for that call.

    ``body`` is the parsed JSON, None for an empty body. 204 is an empty list anywhere in v2. An error that the
    file does not describe is held against the shape its API version gives to errors.
    """
    operation = operation_of(method, path)
    told = f"{operation} {status}"
    if status == 204:
        assert operation.answer(status) is not None or operation.version == "v2", f"{told}: v3 has no such answer"
        assert body is None, f"{told}: has no body, {body!r} was sent"
        return
    answer = operation.answer(status)
    if answer is None:
        assert status >= 400, f"{told}: no such status is described, only {sorted(operation.described['responses'])}"
        judge(operation.file, TROUBLE_V2 if operation.version == "v2" else TROUBLE_V3, body, told)
        return
    schema = schema_of(answer)
    if schema is None:
        return
    judge(operation.file, schema, _said(operation, body), told)
    if described and status < 400:
        _no_strangers(operation.file, schema, body, told)


def operation_of(method: str, path: str) -> Operation:
    """The operation of an address; AssertionError where the vendor has none. Fixed words win over parameters."""
    found = re.search(r"/stores/[^/]+/(v[23])(/[^?]*)", urlsplit(path).path)
    assert found, f"{path}: no address below /stores/{{hash}}/v2 or /v3"
    version, rest = found[1], unquote(found[2])
    fitting = [o for o in operations() if o.version == version and o.method == method.lower() and o.matches(rest)]
    assert fitting, f"{method} {path}: the vendor describes no such operation"
    return min(fitting, key=lambda operation: operation.template.count("{"))


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of every file."""
    return tuple(one for file in documents() for one in _operations(file))


def _operations(file: str) -> Iterator[Operation]:
    document = documents()[file]
    version = document["servers"][0]["url"].rsplit("/", 1)[1]
    for template, item in document["paths"].items():
        shared = tuple(item.get("parameters", ()))
        for method in METHODS:
            if method in item:
                yield Operation(file, version, template, method, item[method], shared)


@cache
def documents() -> dict[str, dict[str, Any]]:
    """The files by name, their schemas turned into what JSON Schema 2020-12 says in the same words."""
    folder = contract_path("bigcommerce", "reference")
    return {
        str(path.relative_to(folder)): _translated(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))
        for path in sorted(folder.rglob("*.yml"))
    }


@cache
def _registry() -> Registry[Any]:
    named = [(f"{HOME}{n}", DRAFT202012.create_resource(d)) for n, d in documents().items()]
    return Registry().with_resources(named)


def _translated(node: Any) -> Any:
    """OpenAPI's ``nullable``, ``exclusiveMinimum: true`` and lone ``$ref`` in the words of JSON Schema.

    ``oneOf`` becomes ``anyOf``: the vendor's alternatives overlap (an order's line fits the mere link to one too).
    """
    if isinstance(node, list):
        return [_translated(one) for one in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": node["$ref"]}
    made = {key: _translated(value) for key, value in node.items()}
    if isinstance(made.get("oneOf"), list):
        made["anyOf"] = made.pop("oneOf")
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(bound), bool) and made.pop(bound) and limit in made:
            made[bound] = made.pop(limit)
    if made.get("nullable") is True or made.get("x-nullable") is True:
        return _or_nothing(made)
    return made


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("enum"), list):
        schema = {**schema, "enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if {"allOf", "anyOf"} & schema.keys() else schema


def resolved(file: str, node: dict[str, Any]) -> dict[str, Any]:
    """What a node is when its references are followed."""
    while "$ref" in node:
        found: Any = documents()[file]
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[unquote(step).replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def schema_of(described: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema of a described body or answer; None where it has no JSON."""
    content = described.get("content") or {}
    found = next((value for kind, value in content.items() if "json" in kind), None)
    return None if found is None else found.get("schema")


def judge(file: str, schema: Mapping[str, Any], value: object, told: str) -> None:
    """Raises AssertionError with the worst misfit in words where the value is not what the schema says."""
    validator = Draft202012Validator(_absolute(file, schema), registry=_registry())
    worst = best_match(validator.iter_errors(value))
    if worst is not None:
        raise AssertionError(f"{told}: {worst.json_path}: {worst.message}")


def _absolute(file: str, node: Any) -> Any:
    """A schema taken out of its file: its references name the file."""
    if isinstance(node, list):
        return [_absolute(file, one) for one in node]
    if not isinstance(node, Mapping):
        return node
    return {
        key: f"{HOME}{file}{value}" if key == "$ref" and isinstance(value, str) else _absolute(file, value)
        for key, value in node.items()
    }


def _said(operation: Operation, value: Any) -> Any:
    """Without what says that it says nothing."""
    if operation.template not in INHERITED or not isinstance(value, dict):
        return value
    return {key: _said(operation, one) for key, one in value.items() if one is not None}


# --- fields nobody describes ---------------------------------------------------------------------------------------


def _no_strangers(file: str, schema: dict[str, Any], value: object, told: str) -> None:
    strangers = sorted(set(_strangers(file, [schema], value, "$")))
    assert not strangers, f"{told}: the vendor describes no {', '.join(strangers)}"


def _strangers(file: str, schemas: list[dict[str, Any]], value: object, where: str) -> Iterator[str]:
    """Fields of the value that none of the schemas for its place names."""
    parts = [part for schema in schemas for part in _parts(file, schema)]
    if isinstance(value, list):
        inner = [part["items"] for part in parts if "items" in part]
        for one in value if inner else ():
            yield from _strangers(file, inner, one, f"{where}[]")
    if isinstance(value, dict) and any("properties" in part for part in parts):
        yield from _unnamed(file, parts, value, where)


def _unnamed(file: str, parts: list[dict[str, Any]], value: dict[str, Any], where: str) -> Iterator[str]:
    for key, one in value.items():
        named = [part["properties"][key] for part in parts if key in part.get("properties", {})]
        if named:
            yield from _strangers(file, named, one, f"{where}.{key}")
        elif key not in SHOWN.get(file, ()) and not any(part.get("additionalProperties") for part in parts):
            yield f"{where}.{key}"


def _parts(file: str, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all that it is put together from."""
    schema = resolved(file, schema)
    yield schema
    for way in ("allOf", "anyOf"):
        for part in schema.get(way, ()):
            yield from _parts(file, part)


# --- query ---------------------------------------------------------------------------------------------------------


def _check_query(operation: Operation, asked: list[tuple[str, str]]) -> None:
    known = operation.parameters("query")
    for name, text in asked:
        assert name in known, f"{operation}: no parameter {name!r}; there are {', '.join(sorted(known)) or 'none'}"
        _check_parameter(operation, known[name], text)
    missing = sorted(n for n, one in known.items() if one.get("required") and n not in dict(asked))
    assert not missing, f"{operation}: {', '.join(missing)} must be given"


def _check_parameter(operation: Operation, parameter: dict[str, Any], text: str) -> None:
    schema = resolved(operation.file, parameter["schema"])
    if parameter["name"] == "sort" and operation.version == "v2":
        text = text.removesuffix(":asc").removesuffix(":desc")  # said of it in words, not in its enum
    listed = schema.get("type") == "array" or parameter["name"].endswith(":in")  # some are called one integer
    for part in text.split(",") if listed else [text]:
        of_one = resolved(operation.file, schema["items"]) if schema.get("type") == "array" else schema
        judge(operation.file, of_one, _read(of_one, part), f"{operation}: parameter {parameter['name']}={text}")


def _read(schema: dict[str, Any], text: str) -> object:
    """The text of a query as the type its schema wants; the text itself where it is no such thing."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "number" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
