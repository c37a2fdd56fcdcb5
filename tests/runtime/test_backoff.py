"""A crowd does not come back at once, and nobody waits for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bcbridge.runtime.backoff import LONGEST, backoff


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (1000, 300)])
def test_the_wait_doubles_up_to_its_longest(attempt: int, seconds: int) -> None:
    assert backoff(attempt, chance=lambda: 1.0) == timedelta(seconds=seconds)


def test_chance_halves_it_at_most() -> None:
    assert backoff(3, chance=lambda: 0.0) == timedelta(seconds=2)
    assert backoff(99, chance=lambda: 0.0) == LONGEST / 2
