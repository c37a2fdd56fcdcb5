"""Every document this room sends is part of Shopify's real schema, and affordable in a linear reading of its costs."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    build_schema,
    parse,
    validate,
)

from bcbridge.connectors.shopify import amendments, captures, detail, dispatches, doctor, keeper, stock
from bcbridge.connectors.shopify.queries import names, query
from tests.conftest import contract_path

VERSIONS = ("admin-2026-10.min.graphql.gz", "admin-2026-07.min.graphql.gz")

SIZES: Mapping[str, Mapping[str, int]] = {
    "changed_orders": {"first": 250},
    "changed_fulfilment_orders": {"first": 250},
    "orders": {"ids": detail.FIRST_BATCH, "lines": detail.SLIM_LINES},
    "order_lines": {"first": detail.LINES_PAGE},
    "order_shipping_lines": {"first": detail.SHIPPING_PAGE},
    "order_fulfilment_orders": {"first": detail.FULFILMENT_PAGE},
    "fulfilment_order_lines": {"first": detail.PIECES_PAGE},
    "order_transactions": {"first": detail.MOST_TRANSACTIONS},
    "order_duties": {"first": detail.DUTIES_PAGE},
    "order_agreements": {"first": detail.AGREEMENTS_PAGE},
    "agreement_sales": {"first": detail.SALES_PAGE},
    "circular_products": {"ids": detail.PRODUCTS_BATCH},
    "locations": {"first": doctor.LOCATIONS_PAGE},
    "duplicate_skus": {"first": doctor.SKUS_PAGE},
    "stock_habits": {"first": doctor.SKUS_PAGE},
    "inventory_items": {"first": stock.page_size(stock.MOST_LEVELS), "levels": stock.MOST_LEVELS},
    "item_levels": {"first": stock.LEVELS_PAGE},
    "stock_at": {"ids": stock.LOOK_BATCH},
    "subscriptions": {"first": keeper.LIST_PAGE},
    "order_dispatches": {"first": dispatches.GROUPS_PAGE},
    "order_authorisations": {"first": captures.MOST_TRANSACTIONS},
    "order_pieces": {"first": amendments.LINES_PAGE},
    "edited_lines": {"first": amendments.LINES_PAGE},
    "fulfilment_lines": {"first": dispatches.LINES_PAGE},
}


@cache
def schema(file: str) -> GraphQLSchema:
    text = gzip.decompress(contract_path("shopify", file).read_bytes()).decode()
    return build_schema(text, assume_valid=True)


@pytest.mark.contract
@pytest.mark.parametrize("file", VERSIONS)
def test_every_document_validates_against_the_real_schema(file: str) -> None:
    failures: dict[str, list[GraphQLError]] = {name: validate(schema(file), parse(query(name))) for name in names()}
    assert {name: found for name, found in failures.items() if found} == {}
    assert len(failures) > 15


def test_every_document_asks_for_less_than_one_query_may() -> None:
    costs = {name: cost(name) for name in names()}
    assert {name: points for name, points in costs.items() if points > detail.CEILING} == {}


def test_a_wrong_field_would_be_found() -> None:
    wrong = query("shop").replace("myshopifyDomain", "myshopifyDomian")
    assert validate(schema(VERSIONS[0]), parse(wrong))


def cost(name: str) -> int:
    """Points in the linear reading of contracts/shopify/NOTES.md 1.4: object 1, list x first, mutation 10."""
    document = parse(query(name))
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    extra = 10 if operation.operation is OperationType.MUTATION else 0
    return extra + Reading(fragments, SIZES.get(name, {})).points(operation.selection_set)


@dataclass(frozen=True)
class Reading:
    fragments: Mapping[str, FragmentDefinitionNode]
    sizes: Mapping[str, int]

    def points(self, selections: SelectionSetNode, *, rows: int = 1) -> int:
        """What the objects selected cost; ``nodes`` and ``edges`` in it stand for so many rows."""
        return sum(self._points(node, rows) for node in selections.selections)

    def _points(self, node: SelectionNode, rows: int) -> int:
        if isinstance(node, FragmentSpreadNode):
            return self.points(self.fragments[node.name.value].selection_set, rows=rows)
        if isinstance(node, InlineFragmentNode):
            return self.points(node.selection_set, rows=rows)
        assert isinstance(node, FieldNode)
        return self._field(node, rows) if node.selection_set else 0

    def _field(self, field: FieldNode, rows: int) -> int:
        assert field.selection_set is not None
        size = self._size(field)
        if size is None:
            times = rows if field.name.value in ("nodes", "edges") else 1
            return times * (1 + self.points(field.selection_set))
        if is_connection(field.selection_set):
            return 1 + self.points(field.selection_set, rows=size)
        return size * (1 + self.points(field.selection_set))

    def _size(self, field: FieldNode) -> int | None:
        for argument in field.arguments or ():
            if argument.name.value in ("first", "ids"):
                value = argument.value
                if isinstance(value, IntValueNode):
                    return int(value.value)
                assert isinstance(value, VariableNode)
                return self.sizes[value.name.value]
        return None


def is_connection(selections: SelectionSetNode) -> bool:
    return any(isinstance(one, FieldNode) and one.name.value in ("nodes", "edges") for one in selections.selections)
