"""What a person may set: nouns with units, nothing unknown, a profile whose every name has a default."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from bcbridge.connectors.bluecherry.settings import BlueCherrySettings

LEAST = """
base_url = "https://examplebcapi.azure-api.net/EXAMPL/"
subscription_key = "env:BLUECHERRY_KEY"
erp_timezone = "America/New_York"
"""


def settings(more: str = "", least: str = LEAST) -> BlueCherrySettings:
    return BlueCherrySettings.model_validate(tomllib.loads(least + more))


def test_three_settings_are_enough_and_the_documented_names_are_the_defaults() -> None:
    found = settings()
    assert found.base_url == "https://examplebcapi.azure-api.net/EXAMPL"
    assert found.key_header_name == "Ocp-Apim-Subscription-Key"
    assert (found.page_size, found.page_size_max, found.max_concurrency) == (100, 200, 1)
    assert found.profile.paths.location == "/api/Location"
    assert found.profile.unverified == ("order", "invoice", "inventory", "count", "changes")
    assert found.profile.order_changes == ""


def test_a_profile_stands_inline_in_the_same_table() -> None:
    found = settings("""
quiet_windows = ["00:00-01:30"]
requests_per_minute = 120
[profile]
posts_in_order = true
statuses_not_posted = ["H"]
paths = { order = "/api/SalesOrder" }
aliases = { order = { ord_qty = "qty_ordered" } }
widths = { reference = 20 }
""")
    assert found.profile.paths.order == "/api/SalesOrder"
    assert found.profile.paths.style == "/api/style"
    assert found.profile.aliases == {"order": {"ord_qty": "qty_ordered"}}
    assert found.profile.widths.reference == 20
    assert found.quiet_until(datetime(2026, 1, 15, 5, 30, tzinfo=UTC)) == datetime(2026, 1, 15, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("page_sise = 10", "page_sise"),
        ("page_size = 500", "page_size"),
        ('quiet_windows = ["midnight"]', "quiet_windows"),
        ('environment_code = "STAGE"', "environment_code"),
        ('environment_code_placement = "path"', "environment_code"),
        ("max_concurrency = 0", "max_concurrency"),
        ("requests_per_minute = 0", "requests_per_minute"),
        ('page_size = "100"', "page_size"),
        ('[profile]\nunverified = ["orders"]', "profile"),
        ('[profile.aliases.order]\nupc = "barcode"', "aliases"),
        ('[profile.aliases.invoices]\nupc = "barcode"', "aliases"),
        ('[profile.aliases.order]\nord_qty = "q"\nterms = "q"', "aliases"),
        ('[profile.paths]\norder = "api/order"', "paths"),
        ('[profile]\nstock_evidence = ["hope"]', "stock_evidence"),
        ("[profile]\nstock_evidence = []", "stock_evidence"),
        ('[profile]\nstock_evidence = ["export_start"]', "stock_export_field"),
        ('[profile]\nstock_evidence = ["echo"]', "echo_sku"),
        ('[profile.echo_sku]\nupc = "1"\nwarehouse = "NJ1"', "echo"),
        ("[profile.paths]\norders = '/api/order'", "orders"),
        ('[profile]\norder_changes = "/api/orderchange"', "order_changes"),
    ],
)
def test_a_mistake_is_refused_where_it_stands(more: str, where: str) -> None:
    with pytest.raises(ValidationError) as told:
        settings(more)
    assert where in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "examplebcapi.azure-api.net"),
        ("base_url", "http://examplebcapi.azure-api.net/EXAMPL"),
        ("base_url", "https://user:word@examplebcapi.azure-api.net"),
        ("base_url", "https://examplebcapi.azure-api.net/EXAMPL?code=1"),
        ("erp_timezone", "New York"),
        ("erp_timezone", "/etc/localtime"),
    ],
)
def test_an_address_or_zone_that_cannot_work_is_refused(name: str, value: str) -> None:
    given = tomllib.loads(LEAST) | {name: value}
    with pytest.raises(ValidationError) as told:
        BlueCherrySettings.model_validate(given)
    assert name in str(told.value)


def test_how_this_erp_posts_is_for_the_writer_to_know() -> None:
    rules = settings("max_request_seconds = 20\nposting_window_hours = 1\n[profile]\nposts_in_order = true").rules
    assert (rules.max_request.seconds, rules.posting_window.seconds, rules.posts_in_order) == (20, 3600, True)


def test_a_sandbox_on_this_machine_needs_no_tls() -> None:
    least = LEAST.replace("https://examplebcapi.azure-api.net/EXAMPL/", "http://127.0.0.1:9101/SNDBX")
    assert settings(least=least).base_url == "http://127.0.0.1:9101/SNDBX"
