"""The vendor's OpenAPI files as judge: its own examples pass, what is broken in them is told in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.openapi import (
    Operation,
    check_answer,
    check_request,
    judge,
    operation_of,
    operations,
    resolved,
    schema_of,
)

OWN_MISTAKES = {
    "GET /v3/catalog/trees/{tree_id}/categories 200": "its children are the word 'string' where categories belong",
}
"""Examples of the vendor that break the vendor's schema."""

ORDERS = "/stores/sandbox1/v2/orders"
HOOKS = "/stores/sandbox1/v3/hooks"


def _examples() -> Iterator[tuple[Operation, str, dict[str, Any], list[Any]]]:
    for operation in operations():
        for status in operation.described["responses"]:
            answer = resolved(operation.file, operation.described["responses"][status])
            schema = schema_of(answer)
            if schema is not None:
                yield operation, status, schema, list(_values(operation.file, answer))


def _values(file: str, answer: dict[str, Any]) -> Iterator[Any]:
    for kind, content in answer["content"].items():
        named = [resolved(file, one) for one in content.get("examples", {}).values()]
        shown = [one["value"] for one in named if "value" in one]
        yield from [*shown, *([content["example"]] if "example" in content else [])] if "json" in kind else ()


def example(method: str, path: str) -> Any:
    """The vendor's first example of a good answer of that call."""
    operation = operation_of(method, path)
    answer = operation.answer(200)
    assert answer is not None
    return next(_values(operation.file, answer))


def test_the_vendors_examples_fit_its_schemas_but_for_those_known_to_be_wrong() -> None:
    wrong = set()
    seen = 0
    for operation, status, schema, values in _examples():
        for value in values:
            seen += 1
            try:
                judge(operation.file, schema, value, "example")
            except AssertionError:
                wrong.add(f"{operation} {status}")
    assert seen > 250
    assert wrong == set(OWN_MISTAKES)


def test_a_wrong_type_deep_in_an_order_is_told_with_its_place() -> None:
    order = example("GET", f"{ORDERS}/1")
    order = order | {"billing_address": order["billing_address"] | {"first_name": 12}}
    with pytest.raises(AssertionError, match=r"order_id\} 200: \$\.billing_address\.first_name: 12 is"):
        check_answer("GET", f"{ORDERS}/1", 200, order, described=False)


def test_a_field_that_nobody_describes_is_told() -> None:
    status = example("GET", "/stores/sandbox1/v2/order_statuses/11")
    check_answer("GET", "/stores/sandbox1/v2/order_statuses/11", 200, status)
    with pytest.raises(AssertionError, match=r"describes no \$\.sytem_label"):
        check_answer("GET", "/stores/sandbox1/v2/order_statuses/11", 200, {**status, "sytem_label": "x"})


def test_nullable_takes_null_and_anything_else_does_not() -> None:
    refunds = "/stores/sandbox1/v3/orders/payment_actions/refunds"
    check_answer("GET", refunds, 200, {"data": [{"id": 1, "order_id": 2, "is_declined": None}]}, described=False)
    with pytest.raises(AssertionError, match="order_id"):
        check_answer("GET", refunds, 200, {"data": [{"id": 1, "order_id": None}]}, described=False)


def test_only_known_parameters_are_asked_and_only_with_values_that_fit() -> None:
    check_request("GET", ORDERS, {"min_date_modified": "2026-01-31T23:58:00Z", "limit": "250"})
    check_request("GET", ORDERS, {"sort": "date_modified:asc", "include": "consignments.line_items,fees"})
    with pytest.raises(AssertionError, match="no parameter 'updated_after'"):
        check_request("GET", ORDERS, {"updated_after": "2026-01-31"})
    with pytest.raises(AssertionError, match="limit=many"):
        check_request("GET", ORDERS, {"limit": "many"})
    with pytest.raises(AssertionError, match="include=everything"):
        check_request("GET", ORDERS, {"include": "everything"})


def test_a_body_is_judged_where_one_is_taken() -> None:
    hook = {"scope": "store/order/updated", "destination": "https://example.com/d", "is_active": True}
    check_request("POST", HOOKS, (), hook)
    with pytest.raises(AssertionError, match="is_active"):
        check_request("POST", HOOKS, (), {**hook, "is_active": "yes"})
    with pytest.raises(AssertionError, match="describes no"):
        check_request("POST", HOOKS, (), {**hook, "secret": "x"})
    with pytest.raises(AssertionError, match="a body is expected"):
        check_request("POST", HOOKS)
    with pytest.raises(AssertionError, match="takes no body"):
        check_request("GET", HOOKS, (), {})


def test_an_empty_list_of_v2_is_204_without_a_body() -> None:
    check_answer("GET", ORDERS, 204)
    with pytest.raises(AssertionError, match="has no body"):
        check_answer("GET", ORDERS, 204, [])
    with pytest.raises(AssertionError, match="v3 has no such answer"):
        check_answer("GET", HOOKS, 204)


def test_errors_have_the_shape_of_their_version() -> None:
    check_answer("GET", ORDERS, 429, [{"status": 429, "message": "Too many requests"}])
    check_answer("GET", HOOKS, 429, {"status": 429, "title": "Too many requests"})
    with pytest.raises(AssertionError):
        check_answer("GET", ORDERS, 429, {"status": 429, "message": "Too many requests"})


def test_an_address_of_nobody_is_told() -> None:
    with pytest.raises(AssertionError, match="no such operation"):
        check_request("PUT", ORDERS)
    with pytest.raises(AssertionError, match="no address"):
        check_request("GET", "/v2/orders")


def test_fixed_words_win_over_parameters() -> None:
    assert operation_of("GET", f"{ORDERS}/count").template == "/orders/count"
    assert operation_of("GET", f"{HOOKS}/admin").template == "/hooks/admin"
