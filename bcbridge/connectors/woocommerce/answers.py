"""What an answer of WordPress means: its JSON, found behind whatever was printed before it, and what to do next.

Any PHP that runs in the shop may print a warning before the JSON, and any cache or firewall in front of it may answer
a web page instead (contract 1.1, 5.5). None of their words go any further: they may quote the call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from bcbridge.connectors.http import LATER, Answer, decide_read
from bcbridge.errors import BridgeError, OpenCircuit, Retry

Data = dict[str, Any]
"""A decoded JSON object of theirs; numbers with a fraction as the text they were sent as."""

MOST_BEFORE = 65_536
"""Characters of warnings before the JSON that are looked through."""
MOST_TRIES = 200

UNKNOWN = "woocommerce_rest_authentication_error"
"""The keys were seen and are wrong; any other 401 in JSON says that none were seen, or none that is known."""

SPOKEN = frozenset(
    {
        UNKNOWN,
        "woocommerce_rest_cannot_view",
        "woocommerce_rest_cannot_create",
        "woocommerce_rest_cannot_delete",
        "woocommerce_rest_cannot_create_order_refund",
        "woocommerce_rest_shop_order_invalid_id",
        "woocommerce_rest_shop_webhook_invalid_topic",
        "rest_invalid_param",
        "rest_missing_callback_param",
        "woocommerce_rest_cannot_edit",
        "woocommerce_rest_cannot_batch",
        "woocommerce_rest_request_entity_too_large",
        "rest_forbidden",
        "rest_no_route",
    }
)
"""Codes of theirs that may be said aloud."""
ASKED = frozenset(
    {
        *("page", "per_page", "_fields", "include", "status", "orderby", "order", "after", "modified_after"),
        *("dates_are_gmt", "dp", "force", "name", "topic", "delivery_url", "secret"),
        *("offset", "manage_stock", "stock_quantity"),
        *("meta_data", "note", "tracking_number", "tracking_provider"),
    }
)
"""Parameters of ours that may be said aloud."""

REFUSALS = {
    "Consumer key is invalid.": "the consumer key is not known",
    "Consumer secret is invalid.": "the consumer secret is wrong",
    "Invalid timestamp.": "this machine's clock and the shop's are more than 15 minutes apart",
    "Invalid signature - provided signature does not match.": (
        "the signature does not match: is the consumer secret right, and is url the address WordPress calls its own?"
    ),
    "The API key provided does not have read permissions.": "the keys may only write: they need Read/Write",
    "The API key provided does not have write permissions.": "the keys may only read: they need Read/Write",
}
NONCE_USED = "Invalid nonce - nonce has already been used."
UNSEEN = (
    "the keys are not known, or were not seen (401): are they right? A proxy that ends TLS must send "
    "X-Forwarded-Proto: https"
)


class Wall(Retry):
    """A web page in place of the shop's JSON: a firewall, a cache, a login."""


class Gone(OpenCircuit):
    """What the path names is not there, or not any more; who asked for one thing takes it for an answer."""


class NoRoute(OpenCircuit):
    """The shop has no such route at all: a feature or a plugin that is not there, or WooCommerce itself."""


class NotAllowed(OpenCircuit):
    """The keys are known, and their user lacks the right for this call."""


class NotTaken(OpenCircuit):
    """The call itself is refused: a parameter that this shop does not take."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error of WordPress: ``{code, message, data}``; ``data`` may be a bare number."""

    code: str
    message: str
    params: tuple[str, ...]

    @property
    def spoken(self) -> str:
        """Its code and the parameters it names, as far as they are ours to say."""
        named = ", ".join(self.params)
        return " ".join(filter(None, (self.code if self.code in SPOKEN else "", f"({named})" if named else "")))


def decision(answer: Answer) -> BridgeError | None:
    """What to do next; None where it is good."""
    if answer.status < 400 or answer.status in LATER or answer.status in (502, 503, 504):
        return decide_read(answer)
    complaint = complaint_of(answer.body)
    if complaint is None:
        return _page(answer)
    if answer.status in (401, 403):
        return _refusal(answer, complaint)
    if answer.status == 404:
        return _not_there(complaint)
    if answer.status >= 500 and not complaint.code.startswith(("woocommerce_rest_", "rest_")):
        return Retry(f"answered {answer.status}", after=answer.retry_after)
    said = " ".join(filter(None, (str(answer.status), complaint.spoken)))
    return NotTaken(f"the shop does not take the call: {said}", by_content=True)


def unseen(answer: Answer) -> bool:
    """Whether it is a 401 as if no keys had been sent: a host may have stripped the header."""
    if answer.status != 401:
        return False
    complaint = complaint_of(answer.body)
    return complaint is not None and complaint.code != UNKNOWN


def _page(answer: Answer) -> BridgeError:
    if answer.status in (404, 410):
        return OpenCircuit(
            f"answered {answer.status} with a web page: is url right, and are permalinks other than Plain?"
        )
    fault = Retry if answer.status >= 500 else Wall
    return fault(f"answered {answer.status} with a web page", after=answer.retry_after)


def _refusal(answer: Answer, complaint: Complaint) -> BridgeError:
    if complaint.message == NONCE_USED:
        return Retry("the call arrived twice and was refused the second time (401)")
    known = REFUSALS.get(complaint.message)
    if known:
        return OpenCircuit(f"{known} ({answer.status})")
    if answer.status == 401:
        return OpenCircuit(f"the keys are refused (401 {UNKNOWN})" if complaint.code == UNKNOWN else UNSEEN)
    return NotAllowed("the user of the keys may not do this (403): an administrator or shop manager may")


def _not_there(complaint: Complaint) -> BridgeError:
    if complaint.code == "rest_no_route":
        return NoRoute("the shop has no such route (404): is WooCommerce active, and its REST API on?")
    if complaint.code.endswith("_invalid_id"):
        return Gone("the shop has no such record (404)", by_content=True)
    return OpenCircuit("answered 404: is url right, and is WooCommerce active?")


def content_of(answer: Answer) -> object:
    """The JSON of an answer, or what to do next, raised."""
    fault = decision(answer)
    if fault is not None:
        raise fault
    try:
        return json_of(answer.body)
    except ValueError:
        raise Wall("the answer is not JSON (a web page?)", after=answer.retry_after) from None


def complaint_of(body: bytes) -> Complaint | None:
    """The error in a body; None where it holds no JSON object."""
    try:
        content = json_of(body)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    code, message = content.get("code"), content.get("message")
    return Complaint(
        code if isinstance(code, str) else "", message if isinstance(message, str) else "", tuple(_params(content))
    )


def _params(content: Data) -> Iterator[str]:
    match content.get("data"):
        case {"params": dict() as named}:
            yield from sorted(ASKED.intersection(named))


def json_of(body: bytes) -> object:
    """The JSON of a body, whatever was printed before it. Raises ValueError where there is none."""
    try:
        text = body.decode("utf-8-sig")
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("deeper than can be read") from None
    except json.JSONDecodeError:
        return _behind(text)


def _behind(text: str) -> object:
    """JSON that begins somewhere and reaches the end. What begins as JSON is either whole, and PHP printed something
    as it ended, or was broken off."""
    if text.lstrip().startswith(("[", "{")):
        return _before_a_page(text.lstrip())
    for number, start in enumerate(_BEGINNING.finditer(text, 0, MOST_BEFORE)):
        if number >= MOST_TRIES:
            break
        try:
            content, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if not text[end:].strip():
            return content
    raise ValueError("no JSON")


def _before_a_page(text: str) -> object:
    """JSON with markup behind it: a warning at PHP's end, the signature of a cache."""
    content, end = _DECODER.raw_decode(text)
    if not text[end:].lstrip().startswith("<"):
        raise ValueError("broken off")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_BEGINNING = re.compile(r"[\[{]")
_DECODER = json.JSONDecoder(parse_float=str, parse_constant=_no_constant)


def as_object(content: object) -> Data:
    """Raises TypeError where it is none."""
    if not isinstance(content, dict):
        raise TypeError("an object is expected")
    return content
