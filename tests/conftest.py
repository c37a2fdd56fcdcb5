"""What every test may use: the event loop's backend and the vendors' contracts beside the project."""

from __future__ import annotations

import os
import random
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from blockbuster import blockbuster_ctx

DAEMON = [f"bcbridge.{part}" for part in ("store", "runtime", "flows", "web", "connectors", "alerts")]
"""What runs in the daemon's loop. The command line and the sandbox's start may block: nobody waits for them."""
MEMORY = Path("/dev/shm")
ROOMY_BYTES = 2_000_000_000
CONTRACTS = Path(__file__).resolve().parents[2] / "shared" / "contracts"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def contract_path(*parts: str) -> Path:
    """The vendor's file below ``../shared/contracts``; skips where it is absent, fails there under ``CI=true``."""
    path = CONTRACTS.joinpath(*parts)
    if path.exists():
        return path
    reason = f"the vendor contract {'/'.join(parts)} is not beside this project (../shared/contracts)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def nothing_of_ours_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """A blocking call of ours in a running event loop fails the test that met it; a command line may block."""
    if "cli" in request.path.parts:
        yield
        return
    with blockbuster_ctx(DAEMON):
        yield


@pytest.fixture(autouse=True)
def logging_as_it_comes() -> None:
    """No test inherits how another one set up the log."""
    structlog.reset_defaults()


@cache
def _tls(environment: tuple[str | None, ...], *given: Any, **named: Any) -> ssl.SSLContext:
    return httpx.create_ssl_context(*given, **named)


def _tls_of_now(*given: Any, **named: Any) -> ssl.SSLContext:
    """What httpx would make of this; each environment has its own, so that a test may still change it."""
    return _tls((os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")), *given, **named)


@pytest.fixture(scope="session", autouse=True)
def root_certificates_are_read_once() -> Iterator[None]:
    """httpx reads them all for each client: 25 ms, which was a third of the time of tests that call a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", _tls_of_now)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", default=1, type=int, help="how often the kill test meets each named step")
    parser.addoption("--seed", default=0, type=int, help="repeats a run of the tests that use chance; 0: a new one")


def pytest_configure(config: pytest.Config) -> None:
    """One seed for the run, the same in every worker (workers are handed the controller's options)."""
    _folders_in_memory()
    config.option.seed = config.option.seed or random.SystemRandom().randrange(1, 10**6)


def _folders_in_memory() -> None:
    """Tests' folders go where a sync costs nothing, if that is roomy: who is killed leaves the same there as on a disk,
    and no test can cut the power. TMPDIR names another place.
    """
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOMY_BYTES:
        tempfile.tempdir = str(MEMORY)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed} (repeat with --seed), kills at each step: {config.option.kills}"
