"""Commands and lives that end soon are forked; the outside and the life that stays are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.nursery import forking


@pytest.fixture(scope="module", autouse=True)
def processes_are_forked() -> Iterator[None]:
    with forking():
        yield
