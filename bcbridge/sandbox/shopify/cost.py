"""What a query costs, and the bucket it is paid from (contracts/shopify/NOTES.md 1.4).

Object 1, connection ``first`` times what a node costs, scalar 0, mutation 10. The requested cost is worked
out before the query runs and charged; what the answer turned out smaller is given back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

CEILING = 1_000
MUTATION = 10


class Price:
    """The requested cost of one operation."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self.schema = schema
        self.variables = variables
        self.fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }

    def of(self, operation: OperationDefinitionNode) -> int:
        mutation = operation.operation is OperationType.MUTATION
        root = self.schema.mutation_type if mutation else self.schema.query_type
        assert root is not None
        fields = list(self.fields(operation.selection_set, root.name))
        if mutation:
            return MUTATION * len(fields)
        return sum(self.field(one, root.name) for one in fields)

    def selection(self, selection: SelectionSetNode, type_name: str) -> int:
        """Fields of one object; of an interface or a union, its dearest type."""
        known = self.schema.type_map[type_name]
        if is_abstract_type(known):
            return max(self.concrete(selection, one.name) for one in self.schema.get_possible_types(known))
        return self.concrete(selection, type_name)

    def concrete(self, selection: SelectionSetNode, type_name: str) -> int:
        return sum(self.field(one, type_name) for one in self.fields(selection, type_name))

    def field(self, node: FieldNode, type_name: str) -> int:
        if node.selection_set is None:
            return 0
        known = self.schema.type_map[type_name]
        definition = getattr(known, "fields", {}).get(node.name.value)
        named = get_named_type(definition.type) if definition else None
        if named is None or not is_composite_type(named):
            return 0
        if named.name.endswith("Connection"):
            return self.connection(node, named)
        return self.argument(node, "ids", 1) * (1 + self.selection(node.selection_set, named.name))

    def connection(self, node: FieldNode, named: GraphQLCompositeType) -> int:
        assert node.selection_set is not None
        each = 0
        for child in self.fields(node.selection_set, named.name):
            if child.name.value == "pageInfo":
                continue
            each += self.field(child, named.name)
        return max(each, 1) * self.argument(node, "first", 1)

    def argument(self, node: FieldNode, name: str, usual: int) -> int:
        """How many are asked for: a number, or the length of a list (``nodes(ids:)`` pays for each)."""
        given = next((one.value for one in node.arguments or () if one.name.value == name), None)
        if isinstance(given, IntValueNode):
            return int(given.value)
        if isinstance(given, ListValueNode):
            return len(given.values)
        value = self.variables.get(given.name.value) if isinstance(given, VariableNode) else None
        return len(value) if isinstance(value, list) else value if isinstance(value, int) else usual

    def fields(self, selection: SelectionSetNode, type_name: str) -> Iterator[FieldNode]:
        """The fields that apply to a type, fragments opened."""
        for one in selection.selections:
            if isinstance(one, FieldNode):
                yield one
            elif isinstance(one, InlineFragmentNode):
                condition = one.type_condition.name.value if one.type_condition else type_name
                if self.applies(condition, type_name):
                    yield from self.fields(one.selection_set, type_name)
            elif isinstance(one, FragmentSpreadNode) and one.name.value in self.fragments:
                fragment = self.fragments[one.name.value]
                if self.applies(fragment.type_condition.name.value, type_name):
                    yield from self.fields(fragment.selection_set, type_name)

    def applies(self, condition: str, type_name: str) -> bool:
        if condition == type_name:
            return True
        wanted, known = self.schema.type_map.get(condition), self.schema.type_map[type_name]
        if wanted is None or not is_abstract_type(wanted):
            return False
        return any(one.name == known.name for one in self.schema.get_possible_types(wanted))


def actual(data: Any) -> int:
    """What the answer cost: its objects, connections and their page information apart."""
    if isinstance(data, list):
        return sum(actual(one) for one in data)
    if not isinstance(data, dict):
        return 0
    wrapper = "nodes" in data or "edges" in data or "hasNextPage" in data
    return (0 if wrapper else 1) + sum(actual(one) for one in data.values())


@dataclass
class Bucket:
    """Points that leak back at ``restore_rate`` a second, up to ``maximum``."""

    maximum: float
    restore_rate: float
    available: float
    at: float

    def resize(self, maximum: float, restore_rate: float) -> None:
        """Another plan; a bucket that was full is full again."""
        if self.available >= self.maximum:
            self.available = maximum
        self.maximum, self.restore_rate = maximum, restore_rate

    def fill(self, now: float) -> None:
        gained = max(now - self.at, 0.0) * self.restore_rate
        self.available, self.at = min(self.maximum, self.available + gained), now

    def take(self, points: float, now: float) -> bool:
        """Whether there was enough; if so it is taken."""
        self.fill(now)
        if points > self.available:
            return False
        self.available -= points
        return True

    def give_back(self, points: float) -> None:
        self.available = min(self.maximum, self.available + points)

    def status(self) -> dict[str, float]:
        return {
            "maximumAvailable": float(self.maximum),
            "currentlyAvailable": int(self.available),
            "restoreRate": float(self.restore_rate),
        }
