"""config.toml: every mistake at once, named by its key path, with what to write instead; no secret ever shown."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from bcbridge import config
from bcbridge.config import Nature, Secrets, Settings, load
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.connectors.shopify.settings import ShopifySettings
from bcbridge.errors import Misconfigured
from bcbridge.web.server import serving

SHIPPED = Path(__file__).resolve().parents[1] / "config.toml"

GOOD = """
[connections.bluecherry]
kind = "bluecherry"
base_url = "http://127.0.0.1:9101/SNDBX"
subscription_key = "env:BC_KEY"
erp_timezone = "America/New_York"

[connections.shopify_us]
kind = "shopify"
shop = "brand.myshopify.com"
code = "US"
token = "file:secrets/token"

[channels.shopify_us]
erp = "bluecherry"
orders_created_from = 2026-11-01T00:00:00Z
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(textwrap.dedent(text))
    return file


def good(folder: Path) -> Settings:
    return load(written(folder, GOOD))


def mistakes(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(Misconfigured) as caught:
        load(written(folder, text))
    return {mistake.where: str(mistake) for mistake in caught.value.mistakes}


# -- what is good ------------------------------------------------------------------------------------------------


def test_the_shipped_config_loads_and_runs_on_the_sandbox() -> None:
    settings = load(SHIPPED)
    assert {one.origin for one in settings.enabled} == {f"http://127.0.0.1:{port}" for port in range(9101, 9105)}
    assert {channel.erp for channel in settings.channels.values()} == {"bluecherry"}
    assert set(settings.channels) == {"shopify_us", "woocommerce_eu", "bigcommerce_us"}
    assert settings.store.path == SHIPPED.parent / "var/bcbridge.db"
    assert settings.web.public_url == f"http://{settings.web.host}:{settings.web.port}"


def test_the_production_example_in_the_shipped_config_loads_too(tmp_path: Path) -> None:
    """The commented half is what a person will copy: it must be right as well."""
    text = SHIPPED.read_text().partition("# --- How a production set-up looks.")[2]
    lines = [line.removeprefix("# ").removeprefix("#") for line in text.splitlines()[1:]]
    settings = load(written(tmp_path, "\n".join(lines)))
    assert settings.channels["shopify_us"].orders.orders_created_from == datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert not any(connection.on_loopback for connection in settings.enabled)


def test_rooms_get_their_own_settings(tmp_path: Path) -> None:
    settings = good(tmp_path)
    assert isinstance(settings.connections["bluecherry"].room, BlueCherrySettings)
    assert isinstance(settings.connections["shopify_us"].room, ShopifySettings)
    assert settings.connections["shopify_us"].address == "https://brand.myshopify.com"


def test_what_the_connection_says_is_not_said_again_for_its_orders(tmp_path: Path) -> None:
    assert good(tmp_path).channels["shopify_us"].orders.code == "US"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD + '[store]\npath = "state/x.db"\n[web]\nsocket = "/run/b.sock"\n'))
    assert settings.store.path == tmp_path / "state/x.db"
    assert settings.web.socket == Path("/run/b.sock")
    assert settings.mappings.folder == tmp_path / "mappings"


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, ValueError)):
        good(tmp_path).web.port = 1  # type: ignore[misc]


# -- mistakes ----------------------------------------------------------------------------------------------------


def test_every_mistake_is_named_at_once_with_its_key_path(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """
        [web]
        port = "8080"
        hots = "127.0.0.1"
        [sandbox.shopify]
        ambient_order_per_minute = 3
        [conections.x]
        kind = "shopify"
        [connections.bluecherry]
        kind = "bluechery"
        [connections.shopify_us]
        kind = "shopify"
        shop = "https://brand.com"
        code = "US"
        token = "shpat_0123456789abcdef"
        poll_every_second = 5
        [channels.shopify_eu]
        erp = "bluecherry"
        [channels.shopify_us]
        """,
    )
    assert set(found) == {
        "web.port",
        "web.hots",
        "sandbox.shopify.ambient_order_per_minute",
        "conections",
        "connections.bluecherry.kind",
        "connections.shopify_us.shop",
        "connections.shopify_us.token",
        "connections.shopify_us.poll_every_second",
        "channels.shopify_eu",
        "channels.shopify_eu.code",
        "channels.shopify_us.erp",
    }


@pytest.mark.parametrize(
    ("text", "where", "suggestion"),
    [
        ('[web]\nhots = "x"', "web.hots", "did you mean host?"),
        ("[webb]", "webb", "did you mean web?"),
        ("[sandbox.shopfy]\nx = 1", "sandbox.shopfy", "did you mean shopify?"),
        ('[connections.a]\nkind = "shopifi"', "connections.a.kind", "did you mean shopify?"),
        ('[store]\nfile = "x"', "store.file", "known here: path"),
    ],
)
def test_a_misspelt_key_gets_a_suggestion(tmp_path: Path, text: str, where: str, suggestion: str) -> None:
    assert suggestion in mistakes(tmp_path, text)[where]


def test_a_misspelt_key_deep_in_a_room_gets_one_too(tmp_path: Path) -> None:
    text = (
        GOOD + "[connections.bluecherry.profile]\npost_in_order = true\n[channels.shopify_us.over_width]\nnote='block'"
    )
    found = mistakes(tmp_path, text)
    assert "did you mean posts_in_order?" in found["connections.bluecherry.profile.post_in_order"]
    assert "did you mean notes?" in found["channels.shopify_us.over_width.note"]


def test_a_channel_must_sell_and_book_in_an_erp(tmp_path: Path) -> None:
    text = (
        GOOD.replace('erp = "bluecherry"', 'erp = "shopify_us"') + '[channels.bluecherry]\nerp = "bluecherry"\ncode="B"'
    )
    found = mistakes(tmp_path, text)
    assert "cannot be used as an ERP" in found["channels.shopify_us.erp"]
    assert "cannot be used as a channel" in found["channels.bluecherry"]


def test_a_channel_may_not_say_otherwise_than_its_connection(tmp_path: Path) -> None:
    found = mistakes(tmp_path, GOOD + 'code = "EU"')
    assert "says otherwise than connections.shopify_us.code" in found["channels.shopify_us.code"]


@pytest.mark.parametrize(("code", "clash"), [("US", True), ("USA", True), ("EU", False), ("SUS", False)])
def test_no_channels_references_may_be_anothers_in_one_erp(tmp_path: Path, code: str, clash: bool) -> None:
    second = f"""
[connections.shopify_eu]
kind = "shopify"
shop = "brand-eu.myshopify.com"
code = "{code}"
token = "env:TOKEN_EU"

[channels.shopify_eu]
erp = "bluecherry"
"""
    if not clash:
        assert set(load(written(tmp_path, GOOD + second)).channels) == {"shopify_us", "shopify_eu"}
        return
    ((where, said),) = mistakes(tmp_path, GOOD + second).items()
    assert where == "channels.shopify_eu.code"
    assert "in bluecherry an order of one could not be told from an order of the other" in said
    other_erp = GOOD[: GOOD.index("[connections.shopify_us]")].replace("connections.bluecherry", "connections.second")
    load(written(tmp_path, GOOD + second.replace('erp = "bluecherry"', 'erp = "second"') + other_erp))


def test_names_of_connections_stand_in_addresses_and_are_plain(tmp_path: Path) -> None:
    assert "connections.Shop US" in mistakes(tmp_path, '[connections."Shop US"]\nkind = "shopify"')


@pytest.mark.parametrize("text", ["[web", "a = 1\na = 2", "\x00"])
def test_what_is_not_toml_says_where(tmp_path: Path, text: str) -> None:
    assert "is not TOML" in next(iter(mistakes(tmp_path, text).values()))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no such file"):
        load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("text", ["web = 3", "connections = 3", "connections.a = 3", "channels.a = 'x'"])
def test_a_value_where_a_table_belongs_is_a_mistake(tmp_path: Path, text: str) -> None:
    assert "must be a table" in next(iter(mistakes(tmp_path, text).values()))


# -- secrets -----------------------------------------------------------------------------------------------------


def test_a_secret_written_into_the_file_is_refused_and_never_shown(tmp_path: Path) -> None:
    found = mistakes(tmp_path, GOOD.replace("file:secrets/token", "shpat_hunter2").replace("env:BC_KEY", "hunter2"))
    assert set(found) == {"connections.shopify_us.token", "connections.bluecherry.subscription_key"}
    assert "env:NAME" in found["connections.shopify_us.token"]
    assert not any("hunter2" in text for text in found.values())


def test_references_are_resolved_when_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = good(tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/token").write_text("one\n")
    monkeypatch.setenv("BC_KEY", " key ")
    assert settings.secrets("file:secrets/token") == "one"
    assert settings.secrets("env:BC_KEY") == "key"
    (tmp_path / "secrets/token").write_text("two\n")
    assert settings.secrets("file:secrets/token") == "two"


@pytest.mark.parametrize("reference", ["env:BC_NO_SUCH", "file:nowhere", "file:empty", "hunter2", "env:", "file:", ""])
def test_a_reference_that_leads_nowhere_names_itself_only(tmp_path: Path, reference: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(Misconfigured) as caught:
        Secrets(tmp_path)(reference)
    assert "hunter2" not in str(caught.value)


def test_a_secret_file_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x")
    file.chmod(0o640)
    assert Secrets(tmp_path).exposed("file:key") == file
    file.chmod(0o600)
    assert Secrets(tmp_path).exposed("file:key") is None
    assert Secrets(tmp_path).exposed("env:HOME") is None


def test_every_reference_of_a_connection_is_known_by_its_key_path(tmp_path: Path) -> None:
    text = GOOD.replace('token = "file:secrets/token"', 'token = "env:T"\nwebhook_secrets = ["env:A", "env:B"]')
    settings = load(written(tmp_path, text))
    assert dict(config.references_of(settings.connections["shopify_us"])) == {
        "connections.shopify_us.token": "env:T",
        "connections.shopify_us.webhook_secrets.0": "env:A",
        "connections.shopify_us.webhook_secrets.1": "env:B",
    }


# -- production or sandbox ---------------------------------------------------------------------------------------


def answering(said: Mapping[str, object] | str, status: int = 200) -> web.Application:
    async def about(_: web.Request) -> web.Response:
        if isinstance(said, str):
            return web.Response(text=said, status=status)
        return web.json_response(said, status=status)

    app = web.Application()
    app.add_routes([web.get("/_sandbox/", about)])
    return app


def at(folder: Path, address: str) -> config.Connection:
    return load(written(folder, GOOD.replace("http://127.0.0.1:9101", address))).connections["bluecherry"]


@pytest.mark.parametrize(
    ("said", "status", "nature"),
    [
        ({"sandbox": "bluecherry"}, 200, Nature.SANDBOX),
        ({"sandbox": ""}, 200, Nature.PRODUCTION),
        ({"hello": "there"}, 200, Nature.PRODUCTION),
        ({"sandbox": "bluecherry"}, 500, Nature.PRODUCTION),
        ("<html>a tunnel to the real thing</html>", 200, Nature.PRODUCTION),
        ("[]", 200, Nature.PRODUCTION),
        ("", 404, Nature.PRODUCTION),
    ],
)
async def test_only_what_says_so_itself_is_a_sandbox(
    tmp_path: Path, said: dict[str, object] | str, status: int, nature: Nature
) -> None:
    async with serving(answering(said, status), host="127.0.0.1", port=0) as address:
        connection = at(tmp_path, address)
        assert await config.nature(connection) is nature
        assert await config.production(connection) is (nature is not Nature.SANDBOX)


async def test_a_silent_address_on_this_machine_is_not_a_sandbox_yet(tmp_path: Path) -> None:
    async with serving(answering({}), host="127.0.0.1", port=0) as address:
        connection = at(tmp_path, address)
    assert await config.nature(connection) is Nature.SILENT
    assert await config.production(connection)


async def test_another_host_is_production_without_asking(tmp_path: Path) -> None:
    assert await config.production(at(tmp_path, "https://examplebcapi.azure-api.net"))


async def test_a_production_channel_needs_its_go_live_boundary(tmp_path: Path) -> None:
    assert await config.production_mistakes(good(tmp_path)) == []
    undated = load(written(tmp_path, GOOD.replace("orders_created_from = 2026-11-01T00:00:00Z", "")))
    (mistake,) = await config.production_mistakes(undated)
    assert mistake.where == "channels.shopify_us.orders_created_from"


# -- the admin door ------------------------------------------------------------------------------------------------

ADMIN = """
[web.admin]
enabled = true
[[web.admin.tokens]]
name = "grafana"
role = "read"
token = "file:grafana"
[[web.admin.tokens]]
name = "ann"
role = "act"
token = "credential:ann"
"""


def test_the_admin_door_is_shut_unless_it_is_opened(tmp_path: Path) -> None:
    admin = good(tmp_path).web.admin
    assert (admin.enabled, admin.host) == (False, "127.0.0.1")
    assert config.token_secrets(good(tmp_path)) == []


def test_tokens_are_read_by_their_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(config.CREDENTIALS, str(tmp_path))
    (tmp_path / "grafana").write_text("g" * 32)
    (tmp_path / "ann").write_text("a" * 32)
    found = config.token_secrets(load(written(tmp_path, ADMIN)))
    assert [(one.name, one.role, secret) for one, secret in found] == [
        ("grafana", "read", "g" * 32),
        ("ann", "act", "a" * 32),
    ]


@pytest.mark.parametrize(
    ("text", "where", "word"),
    [
        ("[web.admin]\nenabled = true", "web.admin", "no tokens"),
        (ADMIN.replace('"grafana"', '"ann"'), "web.admin", "one name"),
        (ADMIN.replace("file:grafana", "canary" * 5), "web.admin.tokens.0.token", "must not stand in this file"),
        (ADMIN.replace('"act"', '"both"'), "web.admin.tokens.1.role", "'read' or 'act'"),
        (ADMIN.replace('"ann"', '"ann\\n"'), "web.admin.tokens.1.name", "pattern"),
    ],
)
def test_an_admin_door_that_makes_no_sense_is_a_mistake(tmp_path: Path, text: str, where: str, word: str) -> None:
    found = mistakes(tmp_path, text)
    assert word in found[where]
    assert "canary" not in str(found)


@pytest.mark.parametrize(("grafana", "ann", "word"), [("g" * 32, "short", "fewer"), ("s" * 32, "s" * 32, "the same")])
def test_a_token_that_can_be_guessed_or_is_another_s_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grafana: str, ann: str, word: str
) -> None:
    monkeypatch.setenv(config.CREDENTIALS, str(tmp_path))
    (tmp_path / "grafana").write_text(grafana)
    (tmp_path / "ann").write_text(ann)
    with pytest.raises(Misconfigured, match=word) as caught:
        config.token_secrets(load(written(tmp_path, ADMIN)))
    assert ann not in str(caught.value)


# -- credentials ---------------------------------------------------------------------------------------------------


def test_a_credential_is_a_file_where_systemd_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(config.CREDENTIALS, str(tmp_path))
    (tmp_path / "key").write_text("s3cret\n")
    assert Secrets(tmp_path / "elsewhere")("credential:key") == "s3cret"


@pytest.mark.parametrize(
    ("folder", "reference", "word"),
    [
        ("", "credential:key", "CREDENTIALS_DIRECTORY is not set"),
        ("here", "credential:../key", "holds no /"),
        ("here", "credential:gone", "cannot be read"),
    ],
)
def test_a_credential_that_is_not_there_says_who_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, reference: str, word: str
) -> None:
    monkeypatch.setenv(config.CREDENTIALS, str(tmp_path / folder) if folder else "")
    with pytest.raises(Misconfigured, match=word):
        Secrets(tmp_path)(reference)


# -- no clear text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["http://203.0.113.7/x", "http://brand.myshopify.com", "brand.myshopify.com"])
def test_a_connection_in_clear_text_is_a_mistake_but_on_this_machine(tmp_path: Path, address: str) -> None:
    text = GOOD.replace('shop = "brand', f'base_url = "{address}"\nshop = "brand')
    assert "must be https" in mistakes(tmp_path, text)["connections.shopify_us.base_url"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:91021", "https://shop.example:http", "https://[::1"])
def test_an_address_that_is_none_is_a_mistake_and_no_surprise_later(tmp_path: Path, address: str) -> None:
    text = GOOD.replace('shop = "brand', f'base_url = "{address}"\nshop = "brand')
    assert "no address" in mistakes(tmp_path, text)["connections.shopify_us.base_url"]


def test_of_an_address_that_is_none_nothing_is_repeated(tmp_path: Path) -> None:
    text = GOOD.replace('shop = "brand', 'base_url = "https://user:shpss_hidden"\nshop = "brand')
    assert "shpss_hidden" not in str(mistakes(tmp_path, text))


def test_the_setting_that_holds_the_address_is_named_as_its_room_calls_it(tmp_path: Path) -> None:
    shop = """
[connections.shop]
kind = "woocommerce"
url = "http://shop.example"
code = "WC"
consumer_key = "env:KEY"
consumer_secret = "env:SECRET"
"""
    assert "must be https" in mistakes(tmp_path, shop)["connections.shop.url"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9102", "http://localhost:9102", "https://203.0.113.7"])
def test_a_connection_with_tls_or_on_this_machine_is_none(tmp_path: Path, address: str) -> None:
    text = GOOD.replace('shop = "brand', f'base_url = "{address}"\nshop = "brand')
    assert load(written(tmp_path, text)).connections["shopify_us"].address == address
