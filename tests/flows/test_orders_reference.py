"""The key of a document: made once, read back as what it was made from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bcbridge.flows.orders import OrderSettings, Parsed, parse_reference, reference

CODES = ["SU", "S", "PG", "SHOPX"]


def test_a_reference_says_what_it_is_made_of() -> None:
    assert reference("SU", "5678901234567", 1, 1) == "SU5678901234567P1G1"


def test_letters_are_upper_case() -> None:
    assert reference("SU", "ab12", 2, 3) == "SUAB12P2G3"


@pytest.mark.parametrize("id", ["50-01", "#1001", "gid://5", "", "é", "ß"])
def test_other_signs_are_refused(id: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        reference("SU", id, 1, 1)


@pytest.mark.parametrize("text", ["", "PO-4711", "XX5001P1G1", "SU5001P0G1", "SU5001P1", "su5001p1g1", "SU5001P1G1 "])
def test_what_others_wrote_is_not_ours(text: str) -> None:
    assert parse_reference(text, CODES) is None


def test_without_codes_nothing_is_ours() -> None:
    assert parse_reference("SU5001P1G1", []) is None


@given(st.sampled_from(CODES), st.integers(1, 10**15), st.integers(1, 30), st.integers(1, 30))
def test_what_is_made_is_read_back(code: str, id: int, part: int, generation: int) -> None:
    made = reference(code, str(id), part, generation)
    assert parse_reference(made, CODES) == Parsed(code, str(id), part, generation)


@pytest.mark.parametrize("code", ["", "su", "S1", "1S", "S-U", "SUPERLONG"])
def test_a_code_ends_in_a_letter_so_that_it_never_runs_into_the_id(code: str) -> None:
    with pytest.raises(ValidationError):
        OrderSettings(code=code)
