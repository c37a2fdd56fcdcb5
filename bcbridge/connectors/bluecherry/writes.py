"""One call that writes, and what its answer means (NOTES.md 1.3, 7.8).

A 200 is read to its end: a refusal may hide in it, and so may nothing at all. What the ERP says goes on without the key
and without what it quotes of the customer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from bcbridge.connectors.bluecherry import mapper, wire
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.settings import Profile
from bcbridge.connectors.http import Answer
from bcbridge.errors import OpenCircuit
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected

Post = Callable[[bytes], Awaitable[Answer | NotSent | Doubtful]]
Discreet = Callable[[str], str]


async def put(post: Post, body: bytes, client: Client, profile: Profile) -> PutAnswer:
    """Send those bytes once, by one of the client's posts."""

    def discreet(text: str) -> str:
        text = client.without_key(text)
        for word in mapper.private_words(body, profile):
            text = re.sub(re.escape(word), "(customer)", text, flags=re.IGNORECASE)
        return text

    try:
        answer = await post(body)
    except OpenCircuit as fault:
        told = discreet(str(fault))
        raise OpenCircuit(told, after=fault.after, by_content=fault.by_content, planned=fault.planned) from None
    return _read(answer, discreet) if isinstance(answer, Answer) else answer


def _read(answer: Answer, discreet: Discreet) -> PutAnswer:
    try:
        reply = wire.parse(answer.body)
    except wire.Unreadable as fault:
        return Doubtful(f"answered {answer.status}: {fault}")
    key, said = wire.receipt(reply), wire.messages(reply)
    refused = answer.status >= 400 or bool(reply.get("errors"))
    if key is not None:
        return Doubtful("answered with a receipt and an error") if refused else Accepted(key)
    if said:
        return Rejected(tuple(discreet(text) for text in said))
    return Doubtful(f"answered {answer.status} with neither a receipt nor an error")
