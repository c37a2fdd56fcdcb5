"""Who answers must prove who it is: with an unknown, a foreign or an old certificate nothing is sent, ever."""

from __future__ import annotations

import ast
import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from bcbridge.connectors.budget import Budget
from bcbridge.connectors.http import Http
from bcbridge.errors import OpenCircuit

SECRET = "s3cr3t-of-the-brand"
ROOT = Path(__file__).resolve().parents[2]
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Impostor:
    """A TLS server of a certificate authority that nobody knows; it keeps what it is sent."""

    address: str
    heard: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def impostor(authority: trustme.CA, certificate: trustme.LeafCert) -> AsyncIterator[Impostor]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    one = Impostor("")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one.heard += await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        one.address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield one
    finally:
        server.close()


def http(address: str) -> Http:
    return Http(
        "shop",
        address,
        budget=Budget(per_minute=6000),
        now=lambda: datetime.now(UTC),
        headers={"X-Key": SECRET},
        call_seconds=10,
    )


def certificate(authority: trustme.CA, *, of: str = "127.0.0.1", old: bool = False) -> trustme.LeafCert:
    return authority.issue_cert(of, not_after=PAST if old else None)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def refused(address: str) -> list[str]:
    """Why a read and a write are refused."""
    async with http(address) as client:
        with pytest.raises(OpenCircuit) as read:
            await client.read("/orders")
        with pytest.raises(OpenCircuit) as write:
            await client.write("/orders", content=b'{"name": "Vogelsang"}')
    return [str(read.value), str(write.value)]


@pytest.mark.parametrize(("of", "old"), [("127.0.0.1", False), ("shop.example", False), ("127.0.0.1", True)])
async def test_who_cannot_prove_who_it_is_hears_nothing_from_us(authority: trustme.CA, of: str, old: bool) -> None:
    async with impostor(authority, certificate(authority, of=of, old=old)) as one:
        for words in await refused(one.address):
            assert words.startswith("the certificate of 127.0.0.1 is not accepted: ")
            assert "\n" not in words
        assert bytes(one.heard) == b""


async def test_the_environment_cannot_make_us_trust_anybody(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker who can set a variable is not let into the middle."""
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(pem))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with impostor(authority, certificate(authority)) as one:
        assert len(await refused(one.address)) == 2
        assert bytes(one.heard) == b""


def test_nothing_in_the_house_turns_verification_off() -> None:
    loose = re.compile(r"CERT_NONE|CERT_OPTIONAL|_create_unverified_context|verify_mode\s*=|check_hostname\s*=")
    for file in (ROOT / "bcbridge").rglob("*.py"):
        text = file.read_text()
        assert not loose.search(text), file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                loosened = [one.arg for one in node.keywords if one.arg in ("verify", "validate_certs", "verify_ssl")]
                values = [ast.unparse(one.value) for one in node.keywords if one.arg in loosened]
                assert set(values) <= {"True"}, f"{file}: {loosened} = {values}"


def test_no_setting_turns_it_off() -> None:
    settings = (ROOT / "bcbridge/config.py", *(ROOT / "bcbridge/connectors").rglob("settings.py"))
    for file in settings:
        assert not re.search(r"^\s+\w*(insecure|verify|tls_off|skip)\w*\s*:", file.read_text(), re.M), file
