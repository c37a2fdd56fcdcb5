"""Which money is to be asked for now, and what of it is a person's. Pure.

An authorisation is asked for once. What the channel took and still shows as authorised, and what it refused, is a
person's: a card that is tried again and again costs, and money that moved twice is worse than money that is late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney, DispatchStanding, DispatchView
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Problem

PAYMENT = "payment"
"""What a problem is about that is of money."""


@dataclass(frozen=True, slots=True)
class Due:
    ask: tuple[Authorisation, ...] = ()
    problems: tuple[Problem, ...] = ()


def has_left(standing: DispatchStanding, view: DispatchView) -> bool:
    """Everything that the ERP was asked for is gone, and the channel waits for nothing more: a part captures nothing,
    and neither do pieces that the ERP will not send and the channel still shows."""
    return standing.all_left and not (view.cancelled or view.holds or view.fulfillable)


def due(
    money: AuthorisedMoney | None, settings: DispatchSettings, before: Mapping[Ref, bool], *, may_be_late: bool
) -> Due:
    """``before``: what was asked for, and whether the channel took it. ``may_be_late``: so short a while ago
    that the channel need not show it."""
    held = money.authorisations if money else ()
    ours = [one for one in held if one.amount > 0 and settings.captured_by(one.gateway) == "bridge"]
    problems = _problems((one for one in ours if one.ref in before), before, may_be_late=may_be_late)
    return Due(tuple(one for one in ours if one.ref not in before), tuple(problems))


def refused(one: Authorisation) -> Problem:
    """Its words stand in the order's own story."""
    return Problem(code="capture_refused", subject=PAYMENT, text=f"the channel does not capture {_money(one)}")


def _problems(held: Iterable[Authorisation], before: Mapping[Ref, bool], *, may_be_late: bool) -> Iterable[Problem]:
    for one in held:
        if not before[one.ref]:
            yield refused(one)
        elif not may_be_late:
            text = f"the channel took the call, and still shows {_money(one)} as authorised only"
            yield Problem(code="capture_not_shown", subject=PAYMENT, text=text)


def _money(one: Authorisation) -> str:
    return f"{one.amount} {one.currency} of {one.gateway or 'no gateway named'}"
