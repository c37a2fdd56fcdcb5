"""What the sandbox serves is a true part of Shopify's published schema, and its answers fit it."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    parse,
    print_ast,
    validate,
)
from graphql.utilities import separate_operations

from bcbridge.sandbox.shopify.cost import CEILING, Price
from tests.conftest import contract_path
from tests.sandbox.shopify_client import JSON, ShopClient, shop

SUPPORTED = {
    "ChangedOrders",
    "OrderDetail",
    "OrderFulfillmentOrders",
    "OrderMoney",
    "RefundDetail",
    "OrderAgreements",
    "Locations",
    "VariantsBySku",
    "StockBySku",
    "SetStock",
    "AdjustStock",
    "ActivateStock",
    "Subscribe",
    "Subscriptions",
    "Resubscribe",
    "Unsubscribe",
    "WhoAmI",
}


@cache
def ours() -> GraphQLSchema:
    text = files("bcbridge.sandbox.shopify").joinpath("schema.graphql").read_text("utf-8")
    return build_schema(text, assume_valid=True)


@cache
def theirs() -> GraphQLSchema:
    packed = contract_path("shopify", "admin-2026-10.min.graphql.gz").read_bytes()
    return build_schema(gzip.decompress(packed).decode(), assume_valid=True)


def operations() -> dict[str, DocumentNode]:
    text = contract_path("shopify", "operations-2026-10.graphql").read_text("utf-8")
    return separate_operations(parse(text))


def own_types() -> list[str]:
    return [name for name in ours().type_map if not name.startswith("__")]


@pytest.mark.contract
def test_every_type_is_one_of_shopifys_and_of_the_same_kind() -> None:
    for name in own_types():
        assert type(ours().type_map[name]) is type(theirs().type_map[name]), name


@pytest.mark.contract
def test_every_field_and_argument_is_shopifys() -> None:
    for name in own_types():
        mine, real = ours().type_map[name], theirs().type_map[name]
        if not isinstance(mine, GraphQLObjectType | GraphQLInterfaceType):
            continue
        assert isinstance(real, GraphQLObjectType | GraphQLInterfaceType)
        for field_name, field in mine.fields.items():
            where = f"{name}.{field_name}"
            assert field_name in real.fields, where
            assert str(field.type) == str(real.fields[field_name].type), where
            for argument, given in field.args.items():
                published = real.fields[field_name].args[argument]
                assert str(given.type) == str(published.type), f"{where}({argument})"
                assert given.default_value == published.default_value, f"{where}({argument})"


@pytest.mark.contract
def test_no_argument_that_shopify_requires_is_left_out() -> None:
    for name in own_types():
        mine, real = ours().type_map[name], theirs().type_map[name]
        if isinstance(mine, GraphQLObjectType) and isinstance(real, GraphQLObjectType):
            for field_name, field in mine.fields.items():
                required = {n for n, a in real.fields[field_name].args.items() if str(a.type).endswith("!")}
                assert required <= set(field.args), f"{name}.{field_name}"


@pytest.mark.contract
def test_enums_inputs_unions_and_interfaces_are_subsets() -> None:
    for name in own_types():
        mine, real = ours().type_map[name], theirs().type_map[name]
        if isinstance(mine, GraphQLEnumType) and isinstance(real, GraphQLEnumType):
            assert set(mine.values) <= set(real.values), name
        elif isinstance(mine, GraphQLInputObjectType) and isinstance(real, GraphQLInputObjectType):
            assert {n: str(f.type) for n, f in mine.fields.items()}.items() <= {
                n: str(f.type) for n, f in real.fields.items()
            }.items(), name
        elif isinstance(mine, GraphQLUnionType) and isinstance(real, GraphQLUnionType):
            assert {one.name for one in mine.types} <= {one.name for one in real.types}, name
        elif isinstance(mine, GraphQLObjectType) and isinstance(real, GraphQLObjectType):
            assert {one.name for one in mine.interfaces} <= {one.name for one in real.interfaces}, name
        else:
            assert isinstance(mine, GraphQLScalarType | GraphQLInterfaceType), name


@pytest.mark.contract
def test_the_operations_of_an_orders_life_validate_against_both_schemas_and_cost_less_than_the_ceiling() -> None:
    for name, document in operations().items():
        if name not in SUPPORTED:
            continue
        assert not validate(theirs(), document), name
        assert not validate(ours(), document), name
        (operation,) = [one for one in document.definitions if not isinstance(one, FragmentDefinitionNode)]
        assert 0 < Price(ours(), document, {}).of(operation) <= CEILING, name  # type: ignore[arg-type]


@pytest.mark.contract
async def test_every_supported_operation_runs_without_errors(tmp_path: Path) -> None:
    documents = {name: print_ast(document) for name, document in operations().items()}
    async with shop(tmp_path) as client:
        whole = await rich_order_id(client)
        asked: JSON = {"id": whole}
        for name in ("OrderDetail", "OrderFulfillmentOrders", "OrderMoney", "OrderAgreements"):
            assert (await client.ask(documents[name], **asked))["order"]["id"] == whole
        money = await client.ask(documents["OrderMoney"], **asked)
        refund = await client.ask(documents["RefundDetail"], id=money["order"]["refunds"][0]["id"])
        assert refund["refund"]["order"] == {"id": whole}
        assert refund["refund"]["transactions"]["nodes"][0]["kind"] == "REFUND"
        listed = await client.ask(documents["ChangedOrders"], q="updated_at:>='2020-01-01T00:00:00Z'")
        assert [one["id"] for one in listed["orders"]["nodes"]] == [whole]
        assert (await client.ask(documents["WhoAmI"]))["shop"]["currencyCode"] == "USD"
        assert len((await client.ask(documents["Locations"]))["locations"]["nodes"]) == 2
        found = await client.ask(documents["VariantsBySku"], q=f"sku:{UPC}")
        assert [one["barcode"] for one in found["productVariants"]["nodes"]] == [UPC]
        uri = "http://127.0.0.1:9/hooks"
        made = await client.ask(documents["Subscribe"], topic="ORDERS_CREATE", s={"uri": uri, "format": "JSON"})
        identifier = made["webhookSubscriptionCreate"]["webhookSubscription"]["id"]
        await client.ask(documents["Resubscribe"], id=identifier, s={"uri": uri + "/2"})
        listed = await client.ask(documents["Subscriptions"])
        assert [one["uri"] for one in listed["webhookSubscriptions"]["nodes"]] == [uri + "/2"]
        gone = await client.ask(documents["Unsubscribe"], id=identifier)
        assert gone["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"] == identifier


UPC = "040123000013"


async def rich_order_id(client: ShopClient) -> str:
    placed = await client.place(
        lines=[
            {"sku": UPC, "quantity": 3, "properties": {"engraving": "J"}, "duty": "2.10"},
            {"giftCard": True, "price": "50"},
        ],
        discounts=[{"code": "WELCOME10", "percent": "10"}, {"title": "Bundle & Save", "amount": "4.00"}],
        shipping={"title": "Standard", "price": "7.95"},
        tax=[{"title": "NJ State Tax", "rate": "0.06625"}],
        fees=[{"name": "Retail delivery fee", "amount": "0.28"}],
        tip="5.00",
        tenders=[{"gateway": "gift_card", "amount": "25.00"}, {"gateway": "shopify_payments"}],
        hold="HIGH_RISK_OF_FRAUD",
    )
    await client.post(f"/_sandbox/orders/{placed['legacyResourceId']}/refund", {"lines": {"0": 1}, "shipping": True})
    return str(placed["id"])
