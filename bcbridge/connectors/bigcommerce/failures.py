"""What an answer's status asks for (contracts/woo_bigcommerce_magento.md 2.1, 5.5).

BigCommerce has four shapes for what went wrong: a list (v2), an object (v3), a problem (inventory) and an object with a
list (refunds). All are known by the status inside; their words may quote what was sent, so none of them is passed on:
only those about a shipment are, in which nothing of a customer is sent.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from bcbridge.connectors.bigcommerce.quota import Quota
from bcbridge.connectors.http import Answer, decide_read, decide_write
from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry
from bcbridge.model.answers import Doubtful, NotSent

FOR_WHAT_IS_IN_IT = frozenset({400, 413, 422})
"""Of a write: a row of it is wrong, or it has too many."""
NOT_TAKEN = frozenset({400, 405, 406, 411, 413, 414, 415, 422})
"""The call itself is wrong: 413 a page larger than it may be, 422 a field they do not accept."""

LONGEST_REASON = 200


class Missing(OpenCircuit):
    """Their own 404: what was asked for by its id is not there. Elsewhere it means a wrong address."""


class Denied(OpenCircuit):
    """403: the API account lacks a scope. It may have those of everything else."""


class NotTaken(OpenCircuit):
    """A definite no to one call of ours."""


def decision(answer: Answer, quota: Quota) -> BridgeError | None:
    """What to do next; None where the answer is good."""
    status = answer.status
    if status == 429:
        after = timedelta(seconds=quota.refused(answer.headers))
        return Retry("BigCommerce answered 429: too many calls", after=after)
    quota.learn(answer.headers)
    if status in (409, 423):
        return Retry(f"BigCommerce answered {status}", after=answer.retry_after)
    if status == 401:
        return OpenCircuit("BigCommerce refuses the access token (401)")
    if status == 403:
        return Denied("BigCommerce denies access (403): is a scope of the API account missing?")
    if status == 404:
        return _not_there(answer)
    if status in NOT_TAKEN:
        return NotTaken(f"BigCommerce does not take the call: {status}")
    if status == 507:
        return OpenCircuit("BigCommerce answered 507: a limit of the store's plan is reached")
    return decide_read(answer)


def written(answer: Answer, quota: Quota) -> BridgeError | NotSent | Doubtful | None:
    """What a write's answer asks for; None where it is good, or refused for what is in it."""
    status = answer.status
    if status == 429:
        after = timedelta(seconds=quota.refused(answer.headers))
        return NotSent("BigCommerce answered 429: too many calls", after)
    if status in (409, 423):
        quota.learn(answer.headers)
        return NotSent(f"BigCommerce answered {status}", answer.retry_after)
    if status in FOR_WHAT_IS_IN_IT:
        quota.learn(answer.headers)
        return None
    if status < 400 or status == 408 or (status >= 500 and status != 507):
        quota.learn(answer.headers)
        return decide_write(answer)
    return decision(answer, quota)


def of_one_order(answer: Answer, quota: Quota) -> BridgeError | NotSent | Doubtful | None:
    """What the answer to a write of one order asks for, its shipment or itself; None where it is good, or a no to this
    write alone."""
    asks = written(answer, quota)
    if isinstance(asks, Missing | Reject):
        return None
    return NotSent(str(asks), asks.after) if isinstance(asks, Retry) else asks


def reasons(answer: Answer) -> tuple[str, ...]:
    """Why a shipment was refused, in their words."""
    try:
        said = json.loads(answer.body)
        told = [str(one["message"])[:LONGEST_REASON] for one in (said if isinstance(said, list) else [said])]
    except (ValueError, RecursionError, LookupError, TypeError):
        told = []
    return tuple(told) or (f"BigCommerce answered {answer.status}, and not in its own words",)


def _not_there(answer: Answer) -> OpenCircuit:
    if says(answer.body, 404):
        return Missing("BigCommerce answered 404: are store_hash and base_url right?")
    return OpenCircuit("answered 404, and not in BigCommerce's words: are store_hash and base_url right?")


def says(body: bytes, status: int) -> bool:
    """Whether a body is one of their errors, and of this status."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    errors: list[Any] = content if isinstance(content, list) else [content]
    return bool(errors) and all(isinstance(error, dict) and error.get("status") == status for error in errors)
