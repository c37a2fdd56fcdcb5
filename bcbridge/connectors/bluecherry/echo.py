"""The echo: a count that we post on a SKU which nobody sells, and meet again among the figures (NOTES.md 2.8)."""

from __future__ import annotations

import orjson

from bcbridge.connectors.bluecherry import wire
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings, EchoSku
from bcbridge.connectors.http import Answer
from bcbridge.errors import Misconfigured, Mistake, Reject, Retry


class Echo:
    """Sets the count of the profile's echo SKU, and of no other."""

    def __init__(self, client: Client, settings: BlueCherrySettings) -> None:
        self._client = client
        self._clock = settings.clock
        self._sku = settings.profile.echo_sku

    async def set(self, count: int) -> None:
        """Post the count. Raises Retry where it is not known whether it was taken: then another count is set."""
        if self._sku is None:
            raise Misconfigured([Mistake("profile.echo_sku", "no echo SKU is named", "a SKU that nobody sells")])
        answer = await self._client.post_count(self._count(self._sku, count))
        if not isinstance(answer, Answer):
            raise Retry(f"the count of the echo SKU was not taken for sure: {answer.reason}")
        self._mind_refusal(answer)

    def _count(self, echo: EchoSku, count: int) -> bytes:
        """A count as a warehouse sends it (NOTES.md 2.8), numbered by the second in which it is made."""
        now = self._client.now()
        number = f"{int(now.timestamp()) % 10**9:09d}"
        row = {
            "adj_num": f"E{number}",
            "isa_num": number,
            "location": echo.warehouse,
            **echo.model_dump(exclude={"upc", "warehouse"}),
            "upc_num": echo.upc,
            "size_qty": count,
            "size_adj": "A",
            "pix_type": "605",
            "pix_code": "00",
            "receipt_date": f"{self._clock.local(now):%Y-%m-%d}",
        }
        return orjson.dumps([{name: value for name, value in row.items() if value != ""}])

    def _mind_refusal(self, answer: Answer) -> None:
        try:
            reply = wire.parse(answer.body)
        except wire.Unreadable as fault:
            raise Retry(f"the count of the echo SKU: answered {answer.status}: {fault}") from None
        said = [self._client.without_key(text) for text in wire.messages(reply)]
        if said:
            raise Reject(said)
        if wire.receipt(reply) is None:
            raise Retry("the count of the echo SKU was answered with neither a receipt nor an error")
