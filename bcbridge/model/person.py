"""How a person is named when their data is to be erased: one form for what a room finds and for what is asked."""

from __future__ import annotations

import re

from bcbridge.errors import BridgeError
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


class Whose(Record):
    """Whose data is meant; exactly one is said. ``order`` is whatever names one: its orders alone are meant then."""

    order: str = ""
    email: str = ""
    phone: str = ""
    customer: str = ""

    @property
    def by(self) -> str:
        """Which of the four was said. Raises NotOne."""
        said = [name for name in ("order", "email", "phone", "customer") if getattr(self, name).strip()]
        if len(said) != 1:
            raise NotOne("say one of --order, --email, --phone, --customer")
        return said[0]

    @property
    def trait(self) -> str:
        """The one form of an e-mail address, a telephone number or a customer's id."""
        return {"email": email, "phone": phone, "customer": customer}[self.by](getattr(self, self.by))


class NotOne(BridgeError):
    """Nobody was named, or in two ways at once."""
