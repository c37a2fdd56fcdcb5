"""Edit kind by stage by channel: docs/changes.md says what the code does, and no cell is silent."""

from __future__ import annotations

import pytest

from tests.flows.changes import matrix
from tests.flows.changes.matrix import IN_ERP, IN_SHOP, STAGES, InErp, InShop


def test_the_matrix_in_the_docs_is_what_the_code_does() -> None:
    assert matrix.PAGE.read_text() == matrix.page(), "python -m tests.flows.changes.matrix --write"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("edit", IN_SHOP, ids=lambda edit: edit.name)
@pytest.mark.parametrize("write", [True, False], ids=["write", "no write"])
def test_an_edit_in_the_shop_before_all_has_left_is_never_silent(edit: InShop, stage: str, write: bool) -> None:
    said = matrix.in_shop(edit, stage, write=write)
    expected = stage == "left" and edit.name not in ("more pieces", "a line added", "cancelled")
    assert (said in ("a return", "nothing to do")) == (expected or _left_already(edit, stage)), said


def _left_already(edit: InShop, stage: str) -> bool:
    """Both dresses have left, the skirt has not."""
    return stage == "left in part" and edit.name == "fewer pieces"


@pytest.mark.parametrize("stage", ["open", "picked", "left in part"])
@pytest.mark.parametrize("kind", matrix.abilities())
@pytest.mark.parametrize("edit", IN_ERP, ids=lambda edit: edit.name)
def test_an_edit_in_the_erp_is_never_silent(edit: InErp, kind: str, stage: str) -> None:
    assert matrix.in_erp(edit, stage, matrix.abilities()[kind]) not in ("a return", "nothing to do", "–")


@pytest.mark.parametrize("winner", ["channel_until_picked", "channel", "erp", "person"])
@pytest.mark.parametrize("stage", ["open", "picked"])
def test_where_both_changed_something_is_asked_for_or_somebody_is(winner: str, stage: str) -> None:
    assert matrix.in_both(stage, winner) not in ("a return", "nothing to do")
