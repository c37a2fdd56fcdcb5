"""How a person is named when their data is to be erased: one form for what a room finds and for what is asked."""

from __future__ import annotations

import re

from bcbridge.model.record import Record


def email(text: str) -> str:
    """``email/jane@example.com``, whatever the case."""
    return f"email/{text.strip().casefold()}"


def phone(text: str) -> str:
    """``phone/12025550147``: its digits."""
    return f"phone/{re.sub('[^0-9]', '', text)}"


def customer(text: str) -> str:
    """``customer/6543210``: the last step of the channel's id."""
    return f"customer/{text.strip().rpartition('/')[2]}"


TRAITS = {"email": email, "phone": phone, "customer": customer}


class Whose(Record):
    """Whose data is meant; exactly one is said. ``order`` is whatever names one: its orders alone are meant then."""

    order: str = ""
    email: str = ""
    phone: str = ""
    customer: str = ""

    @property
    def said(self) -> tuple[str, ...]:
        """Which of the four were said."""
        return tuple(name for name in ("order", *TRAITS) if getattr(self, name).strip())

    @property
    def is_one(self) -> bool:
        return len(self.said) == 1

    @property
    def trait(self) -> str:
        """The one form of the e-mail address, telephone number or customer's id; empty where an order was named."""
        return next((form(getattr(self, name)) for name, form in TRAITS.items() if name in self.said), "")
