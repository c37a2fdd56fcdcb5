"""What every claim runs under: everything said aloud is heard, and under ``CI=true`` none of them may be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import structlog

from tests.contract.heard import Heard


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Heard]:
    """All log lines and endings of this claim; at its end none of them has a secret or a customer's word in it."""
    ears = Heard()
    before = structlog.get_config()
    structlog.reset_defaults()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, ears.line],
        cache_logger_on_first_use=False,
    )
    yield ears
    structlog.configure(**before)
    ears.lines += [record.getMessage() for record in caplog.records]
    assert not ears.indiscretions(), ears.indiscretions()


def missed(report: pytest.TestReport, *, ci: bool) -> pytest.TestReport:
    """The report of a contract test; under CI one that was skipped has failed."""
    if ci and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"a contract test was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    report = yield
    return missed(report, ci=os.environ.get("CI") == "true")
