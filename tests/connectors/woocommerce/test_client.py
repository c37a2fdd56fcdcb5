"""How the keys are shown, what an answer means, and what is never said."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bcbridge.connectors.woocommerce.answers import json_of
from bcbridge.connectors.woocommerce.client import MOST_WALLS
from bcbridge.connectors.woocommerce.settings import Auth
from bcbridge.connectors.woocommerce.signing import Signer, Way, base_string, ways
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.sandbox import woocommerce as sandbox
from tests.connectors.woocommerce.answers import recorded
from tests.connectors.woocommerce.shops import QUIET, SECURE, Script, a_client, a_script, error, passing, said, settings
from tests.contract.outside import saying, serving

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEYS = f"Basic {base64.b64encode(b'ck_sandbox:cs_sandbox').decode()}"
NOT_SEEN = error("woocommerce_rest_cannot_view")


def test_the_way_follows_the_address_unless_it_is_said() -> None:
    assert ways(Auth.AUTO, "https://shop.example.com") == (Way.BASIC, Way.QUERY)
    assert ways(Auth.AUTO, "http://shop.example.com") == (Way.OAUTH1,)
    assert ways(Auth.BASIC, "http://shop.example.com") == (Way.BASIC,)
    assert ways(Auth.OAUTH1, "https://shop.example.com") == (Way.OAUTH1,)


def test_what_is_signed_is_the_method_the_address_and_every_parameter_in_order() -> None:
    """By hand, after RFC 5849, 3.4.1: encoded once as parameters and once more as a part."""
    made = base_string("get", "HTTP://Shop.Example.com:80/wp-json/wc/v3/orders", {"b": "1,2", "a": "x y", "a-": "~"})
    address = "http%3A%2F%2Fshop.example.com%2Fwp-json%2Fwc%2Fv3%2Forders"
    assert made == f"GET&{address}&a%3Dx%2520y%26a-%3D~%26b%3D1%252C2"


def test_a_port_of_its_own_is_signed_with_the_address() -> None:
    assert "http%3A%2F%2F127.0.0.1%3A8881%2Forders" in base_string("GET", "http://127.0.0.1:8881/orders", {})


def test_signing_neither_sends_the_secret_nor_repeats_a_nonce() -> None:
    signer = Signer("http://shop.example.com", key="ck_1", secret="cs_1", now=lambda: NOON)
    one, other = (signer.signed(Way.OAUTH1, "GET", "/orders", {"page": "1"}) for _ in range(2))
    assert one.params["oauth_nonce"] != other.params["oauth_nonce"]
    assert one.params["oauth_timestamp"] == str(int(NOON.timestamp()))
    assert "cs_1" not in repr(dict(one.params)) + repr(one) + repr(signer.signed(Way.QUERY, "GET", "/", {}))


async def test_over_plain_http_each_call_is_signed_and_let_in(tmp_path: Path) -> None:
    async with sandbox.serving(tmp_path, settings=QUIET) as server, a_client(server.url, Way.OAUTH1) as client:
        for status in ("any", "processing,on-hold"):
            assert (await client.rows("/orders", {"status": status, "per_page": "1"}))[0] == []
        assert client.way is Way.OAUTH1


@pytest.mark.parametrize(("strips", "way"), [(False, Way.BASIC), (True, Way.QUERY)])
async def test_basic_over_tls_and_the_query_where_a_host_strips_the_header(
    strips: bool, way: Way, tmp_path: Path
) -> None:
    plan = settings(strips_authorization=strips)
    async with (
        sandbox.serving(tmp_path, settings=plan) as server,
        httpx.AsyncClient() as http,
        serving(passing(server.url, http, SECURE)) as tls,
        a_client(tls.url, Way.BASIC, Way.QUERY) as client,
    ):
        await client.rows("/orders", {})
        tried = len(tls.asked)
        await client.rows("/orders", {})
        assert client.way is way
        assert (tried, len(tls.asked)) == (1 + strips, 2 + strips)


async def test_what_worked_is_kept_and_after_a_401_all_ways_are_tried_again() -> None:
    """The host stops stripping, and begins to refuse keys in the query."""
    script = Script([NOT_SEEN, said([]), said([]), NOT_SEEN, said([]), said([])])
    async with serving(saying(script)) as server, a_client(server.url, Way.BASIC, Way.QUERY) as client:
        for _ in range(4):
            await client.rows("/orders", {})
    shown = ["query" if "consumer_key" in asked.query else asked.headers.get("authorization") for asked in script.asked]
    assert shown == [KEYS, "query", "query", "query", KEYS, KEYS]


async def test_a_wrong_secret_is_said_at_once_and_no_other_way_is_tried() -> None:
    script = Script([error("woocommerce_rest_authentication_error", message="Consumer secret is invalid.")])
    async with serving(saying(script)) as server, a_client(server.url, Way.BASIC, Way.QUERY) as client:
        with pytest.raises(OpenCircuit, match="the consumer secret is wrong"):
            await client.rows("/orders", {})
    assert len(script.asked) == 1


@pytest.mark.contract
@pytest.mark.parametrize(
    ("recording", "words"),
    [
        ("basic_over_plain_http", "X-Forwarded-Proto"),
        ("wrong_key", "not known"),
        ("wrong_secret", "secret is wrong"),
        ("oauth1_bad_signature", "does not match"),
        ("oauth1_old_timestamp", "clock"),
        ("read_only_key_writes", "only read"),
    ],
)
async def test_a_recorded_refusal_is_said_in_words_that_help(recording: str, words: str) -> None:
    async with a_script(said(recorded("auth", f"{recording}.json"), 401)) as (_, room):
        with pytest.raises(OpenCircuit, match=words):
            await room.ping()


@pytest.mark.contract
async def test_a_call_that_arrived_twice_is_made_again() -> None:
    async with a_script(said(recorded("auth", "oauth1_nonce_again.json"), 401)) as (_, room):
        with pytest.raises(Retry):
            await room.ping()


async def test_a_firewalls_page_is_passing_trouble_until_it_is_there_all_the_time() -> None:
    page = said(b"<html>Checking your browser</html>", 403)
    async with a_script(*[page] * (MOST_WALLS - 1), said([]), page) as (_, room):
        for _ in range(MOST_WALLS - 1):
            with pytest.raises(Retry):
                await room.ping()
        await room.ping()
        for _ in range(MOST_WALLS - 1):
            with pytest.raises(Retry):
                await room.ping()
        with pytest.raises(OpenCircuit, match="firewall"):
            await room.ping()


@pytest.mark.contract
async def test_trap_5_a_validation_error_in_a_500_is_no_endless_retry() -> None:
    """``data`` is a bare number; the recordings say so of refunds."""
    async with a_script(said(recorded("refunds", "create_too_much.json"), 500)) as (_, room):
        with pytest.raises(OpenCircuit, match="does not take the call: 500"):
            await room.ping()


@pytest.mark.contract
async def test_a_parameter_not_taken_is_named() -> None:
    async with a_script(said(recorded("orders", "list_status_unknown.json"), 400)) as (_, room):
        with pytest.raises(OpenCircuit, match=r"400 rest_invalid_param \(status\)") as ended:
            await room.ping()
    assert ended.value.by_content


@pytest.mark.contract
async def test_a_route_that_is_not_there_is_said_in_words() -> None:
    async with a_script(said(recorded("wc_v4_absent.json"), 404)) as (_, room):
        with pytest.raises(OpenCircuit, match="is WooCommerce active"):
            await room.ping()


WARNING = b"<br />\n<b>Warning</b>:  Undefined array key [0] in <b>/srv/{x}.php</b> on line <b>12</b><br />\n"


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id": 1, "rate": 6.625}]',
        b'\xef\xbb\xbf[{"id": 1, "rate": 6.625}]',
        WARNING + b'[{"id": 1, "rate": 6.625}]',
        WARNING * 3 + b'\n\n[{"id": 1, "rate": 6.625}]\n',
        b'PHP Notice: {"a": [1, 2} in x\n[{"id": 1, "rate": 6.625}]',
        b'[{"id": 1, "rate": 6.625}]\n' + WARNING,
        b'[{"id": 1, "rate": 6.625}]\n<!-- Cached page generated by a plugin on 2026-11-21 -->\n',
    ],
)
def test_json_is_found_whatever_was_printed_around_it(body: bytes) -> None:
    assert json_of(body) == [{"id": 1, "rate": "6.625"}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        WARNING,
        b"<html><script>var a = [1];</script></html>",
        b'[{"id": 1}',
        b'[{"id": 1}' + WARNING,
        b'[{"id": 1}] and so on',
        b'[{"id": NaN}]',
        b"\xff\xfe",
        b"[" * 100_000,
        b"{" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_holds_no_json_says_so(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        json_of(body)
