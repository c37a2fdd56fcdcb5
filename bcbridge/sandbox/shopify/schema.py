"""The executable schema: the published types, each field with the resolver that fits it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_composite_type,
    is_interface_type,
    is_object_type,
    is_union_type,
)

from bcbridge.sandbox.shopify import amending, capturing, counting, fulfilling, inventory, resolvers, subscriptions
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.connections import Page, slice_of
from bcbridge.sandbox.shopify.gid import kind_of
from bcbridge.sandbox.shopify.parts import (
    MENTIONS,
    Info,
    Part,
    Resolver,
    composite,
    connection_of,
    leaf,
    mentioned,
    own_order,
)


@cache
def schema() -> GraphQLSchema:
    """The executable schema; built once, for every server in the process."""
    source = files("bcbridge.sandbox.shopify").joinpath("schema.graphql").read_text("utf-8")
    built = build_schema(source, assume_valid=True)
    own = {**resolvers.FIELDS, **subscriptions.FIELDS, **inventory.FIELDS, **counting.FIELDS, **fulfilling.FIELDS}
    own |= {**amending.FIELDS, **capturing.FIELDS}
    for kind in built.type_map.values():
        if is_object_type(kind) and not kind.name.startswith("__"):
            furnish(kind, own)
        elif is_interface_type(kind) or is_union_type(kind):
            kind.resolve_type = type_of
    return built


def type_of(value: Part, *_: Any) -> str:
    return str(value.data.get("__typename") or kind_of(value.data["id"]))


def furnish(kind: GraphQLObjectType, own: dict[tuple[str, str], Resolver]) -> None:
    for name, definition in kind.fields.items():
        named = get_named_type(definition.type)
        definition.resolve = own.get((kind.name, name)) or usual(kind, name, named.name, is_composite_type(named))


def usual(kind: GraphQLObjectType, name: str, named: str, is_object: bool) -> Resolver:
    if kind.name.endswith("Connection"):
        return PAGES[name]
    if kind.name.endswith("Edge"):
        return edge_part
    if named == "PageInfo" or not is_object:
        return leaf
    if named == "Order":
        return own_order
    if named.endswith("Connection"):
        return mentioned_connection(named.removesuffix("Connection"))
    return mentioned(MENTIONS[named]) if named in MENTIONS else composite


def mentioned_connection(named: str) -> Resolver:
    look_up = MENTIONS.get(named)

    def resolve(source: Part, info: Info, **given: Any) -> Page:
        if look_up is None or source.data is source.order:
            return connection_of(source, info, **given)
        found = [look_up(info.context, source.order, one) for one in source.data[info.field_name]]
        return slice_of(found, lambda one: Part(source.order, one), given)

    return resolve


def page_nodes(page: Page, _: Info) -> list[Any]:
    return page.nodes


def page_edges(page: Page, _: Info) -> list[JSON]:
    return [{"node": node, "cursor": cursor} for node, cursor in zip(page.nodes, page.cursors, strict=True)]


def page_info(page: Page, _: Info) -> Part:
    return Part({}, page.info)


def edge_part(edge: JSON, info: Info) -> Any:
    return edge[info.field_name]


PAGES: dict[str, Resolver] = {"nodes": page_nodes, "edges": page_edges, "pageInfo": page_info}
