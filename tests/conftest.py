"""What every test may use: the event loop's backend and the vendors' contracts beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", default="3", help="how often the kill test meets each named step")
    parser.addoption("--seed", default="0", help="repeats a run of the tests that use chance; 0 takes a new one")
