"""BlueCherry's endpoints: lists by page, one record by key, orders by reference, and the posts: orders, counts,
corrections.

Every call looks at the quiet hours first. What is not the documented envelope is a contract break and opens the
circuit by content; what the gateway or the ERP says in an error is kept whole, without the key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
import structlog

from bcbridge.connectors.bluecherry import wire
from bcbridge.connectors.bluecherry.clock import ErpClock, parse_stamp
from bcbridge.connectors.bluecherry.settings import INVENTORY, INVOICE, ORDER, BlueCherrySettings
from bcbridge.connectors.bluecherry.walk import Ask, Longest, Row, Rows, Walk
from bcbridge.connectors.budget import Budget, Share
from bcbridge.connectors.http import Answer, Http, decide_read, decide_write
from bcbridge.errors import BridgeError, Malformed, OpenCircuit, Reject, Retry
from bcbridge.model.answers import Doubtful, NotSent
from bcbridge.model.ids import ConnectorName, Ref, Reference

T = TypeVar("T")
log = structlog.get_logger("bcbridge.bluecherry")

CHILD = {"style": "styledetail", ORDER: "orderdetail", INVOICE: "invoicedetail"}
"""The child collection without which a document is not whole."""
ODD_ROWS = 5
"""A page with this many rows, most of them unreadable, is a contract break, not a few odd documents."""
REFERENCE_PAGES = 20
"""More pages of orders under one reference than this cannot be: the filter does something else."""


@dataclass(frozen=True, slots=True)
class Hits:
    """All documents the ERP listed when asked for one reference, equal or not."""

    rows: tuple[Row, ...]
    asked: datetime


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page of the inventory as it came: its rows, in their names, and what stood beside them."""

    rows: Sequence[Any]
    beside: Mapping[str, Any]
    asked: datetime


class Client:
    """One BlueCherry over HTTP. All reads raise Retry or OpenCircuit."""

    def __init__(
        self, name: ConnectorName, settings: BlueCherrySettings, *, key: str, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._profile = settings.profile
        self._clock = settings.clock
        self._key = key
        self._now = now
        self._longest = {
            resource: Longest() for resource in ("style", "location", "shipper", ORDER, INVOICE, INVENTORY)
        }
        self._http = Http(
            name,
            _base(settings),
            budget=Budget(per_minute=settings.requests_per_minute, concurrency=settings.max_concurrency),
            now=now,
            headers={settings.key_header_name: key},
            call_seconds=settings.request_timeout_seconds,
            connections=settings.max_concurrency + 1,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    # -- reads -------------------------------------------------------------------------------------------------

    async def version(self) -> str:
        """The credential check used in practice: one pick, and the ``version`` beside it (NOTES.md 1)."""
        params = self._paged(1, 1)
        reply, _ = await self._reply(self._profile.paths.pick, params, Share.NORMAL)
        if "version" not in reply:
            raise OpenCircuit("the answer to the credential check names no version", by_content=True)
        return str(reply["version"])

    async def styles(self, after: datetime | None, page: int, *, share: Share = Share.BULK) -> Rows:
        """Whole styles changed after a local stamp; all of them for None."""
        return await self._documents("style", page, share, self._changed("style", after))

    async def style(self, ref: Ref) -> Rows:
        """The style with this ``pkey``, or no row."""
        params = {**self._included(), "pkey": ref}
        reply, asked = await self._reply(self._profile.paths.style, params, Share.NORMAL)
        return Rows([row for row in self._headers("style", reply) if row.key == ref], asked)

    async def locations(self, page: int) -> Rows:
        kind = self._profile.warehouse_type
        chosen = {self._profile.filter_parameter: f"loc_type eq {quoted(kind)}"} if kind else {}
        return await self._masters("location", self._profile.paths.location, page, chosen)

    async def shippers(self, page: int) -> Rows:
        return await self._masters("shipper", self._profile.paths.shipper, page, {})

    async def orders(self, after: datetime | None, page: int, *, share: Share = Share.READ_BACK) -> Rows:
        """Whole sales orders changed after a local stamp; all of them for None."""
        return await self._documents(ORDER, page, share, self._changed(ORDER, after))

    async def orders_with(self, reference: Reference) -> Hits:
        """Everything the ERP lists when asked for the orders of one reference."""
        return await self._with(ORDER, reference)

    async def invoices(self, after: datetime | None, page: int, *, share: Share = Share.READ_BACK) -> Rows:
        """Whole invoices changed after a local stamp; all of them for None."""
        return await self._documents(INVOICE, page, share, self._changed(INVOICE, after))

    async def invoices_with(self, reference: Reference) -> Hits:
        """Everything the ERP lists when asked for the invoices of one reference."""
        return await self._with(INVOICE, reference)

    async def _with(self, resource: str, reference: Reference) -> Hits:
        theirs = self._theirs(resource, "po_num")
        chosen = {self._profile.filter_parameter: f"{theirs} eq {quoted(reference)}"}
        found: list[Row] = []
        for page in range(1, REFERENCE_PAGES + 1):
            rows = await self._documents(resource, page, Share.READ_BACK, chosen)
            found += rows.rows
            if self._longest[resource].ends(rows.rows) or _strangers(rows.rows, reference):
                return Hits(tuple(found), rows.asked)
        return Hits(tuple(found), rows.asked)

    async def inventory(self, after: datetime | None, page: int, *, share: Share) -> Leaf:
        """Figures changed after a local stamp; all of them for None. Read fast: quantities alone, no money."""
        params = {**self._paged(page, self._settings.stock_page_size), **self._changed(INVENTORY, after)}
        path = self._profile.paths.inventory
        answer = await self._answer(path, params, share)
        try:
            reply = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise OpenCircuit(f"{path}: the answer is not JSON", by_content=True) from None
        if not isinstance(reply, dict):
            raise OpenCircuit(f"{path}: the answer is JSON, but not an object", by_content=True)
        self._mind_messages(path, reply)
        rows, beside = _figures(reply)
        leaf = Leaf(rows, beside, answer.asked)
        self._longest[INVENTORY].note(leaf.rows)
        return leaf

    def ends_inventory(self, leaf: Leaf) -> bool:
        """Whether nothing comes behind this page."""
        return self._longest[INVENTORY].ends(leaf.rows)

    def walk_inventory(self, ask: Ask, clock: ErpClock) -> Walk:
        return Walk(ask, clock, self._longest[INVENTORY], self._now())

    def now(self) -> datetime:
        return self._now()

    def walk(self, resource: str, *, share: Share) -> Walk:
        """A walk over all changes of ``style``, ``order`` or ``invoice``."""
        call = {"style": self.styles, ORDER: self.orders, INVOICE: self.invoices}[resource]

        async def ask(after: datetime | None, page: int) -> Rows:
            return await call(after, page, share=share)

        return Walk(ask, self._clock, self._longest[resource], self._now())

    def walk_masters(self, resource: str) -> Walk:
        """A walk over the whole of ``location`` or ``shipper``."""
        call = {"location": self.locations, "shipper": self.shippers}[resource]

        async def ask(after: datetime | None, page: int) -> Rows:
            return await call(page)

        return Walk(ask, self._clock, self._longest[resource], self._now())

    def days_ago(self, days: float) -> datetime:
        """The ERP's local time so many days ago."""
        return self._clock.local(self._now() - timedelta(days=days))

    # -- the write ---------------------------------------------------------------------------------------------

    async def post_order(self, body: bytes) -> Answer | NotSent | Doubtful:
        """Send one array of orders once. Raises OpenCircuit where we were not let in, or during quiet hours."""
        return await self._post(self._profile.paths.order, body)

    async def post_change(self, body: bytes) -> Answer | NotSent | Doubtful:
        """Send one array of corrections once, where the profile names a write for them. Raises as ``post_order``."""
        return await self._post(self._profile.changes_path, body)

    async def post_count(self, body: bytes) -> Answer | NotSent | Doubtful:
        """Send one array of stock counts once. Raises as ``post_order``."""
        return await self._post(self._profile.paths.count, body)

    async def _post(self, path: str, body: bytes) -> Answer | NotSent | Doubtful:
        self._mind_quiet_hours()
        return await self._http.write(path, content=body, params=self._environment(), decide=self._decide_write)

    def _decide_write(self, answer: Answer) -> BridgeError | NotSent | Doubtful | None:
        decision = decide_write(answer)
        if answer.status in (404, 405, 415) and decision is None:
            return OpenCircuit(f"the resource answered {answer.status}: is its path right?{self._said(answer)}")
        if isinstance(decision, OpenCircuit):
            return OpenCircuit(f"{decision}{self._said(answer)}", after=decision.after)
        return decision

    # -- one call ----------------------------------------------------------------------------------------------

    async def _documents(self, resource: str, page: int, share: Share, chosen: Mapping[str, str]) -> Rows:
        paths = self._profile.paths
        path = {"style": paths.style, ORDER: paths.order, INVOICE: paths.invoice}[resource]
        params = {**self._paged(page, self._settings.page_size), **self._included(), **chosen}
        reply, asked = await self._reply(path, params, share)
        rows = self._headers(resource, reply)
        self._longest[resource].note(rows)
        return Rows(rows, asked)

    async def _masters(self, resource: str, path: str, page: int, chosen: Mapping[str, str]) -> Rows:
        params = {**self._paged(page, self._settings.page_size), **chosen}
        reply, asked = await self._reply(path, params, Share.NORMAL)
        return Rows(self._plain_rows(resource, reply), asked)

    async def _reply(self, path: str, params: Mapping[str, str], share: Share) -> tuple[dict[str, Any], datetime]:
        answer = await self._answer(path, params, share)
        try:
            reply = wire.parse(answer.body)
        except wire.Unreadable as fault:
            raise OpenCircuit(f"{path}: {fault}", by_content=True) from None
        self._mind_messages(path, reply)
        return reply, answer.asked

    async def _answer(self, path: str, params: Mapping[str, str], share: Share) -> Answer:
        self._mind_quiet_hours()
        params = {**params, **self._environment()}
        return await self._http.read(path, params=params, share=share, decide=self._decide)

    def _mind_messages(self, path: str, reply: Mapping[str, Any]) -> None:
        """An error inside a 200."""
        said = wire.messages(reply)
        if said and "data" not in reply:
            raise Retry(f"{path} refuses to be read: {self.without_key('; '.join(said))}")

    def _headers(self, resource: str, reply: Mapping[str, Any]) -> list[Row]:
        """The documents of a page, in our names."""
        try:
            headers = wire.renamed(wire.documents(reply), self._ours(resource))
            wire.with_children(headers, CHILD[resource])
        except wire.Unreadable as fault:
            raise OpenCircuit(f"{resource}: {fault}", by_content=True) from None
        rows = [_row(header) for header in headers]
        _check_readable(resource, rows, [row.key is not None and row.stamp is not None for row in rows])
        return rows

    def _plain_rows(self, resource: str, reply: Mapping[str, Any]) -> list[Row]:
        """The rows of a simple master; no stamp is documented for them."""
        try:
            rows = [_row(one) for one in wire.masters(reply)]
        except wire.Unreadable as fault:
            raise OpenCircuit(f"{resource}: {fault}", by_content=True) from None
        _check_readable(resource, rows, [row.key is not None for row in rows])
        return rows

    def _decide(self, answer: Answer) -> BridgeError | None:
        decision = decide_read(answer)
        said = self._said(answer) if decision else ""
        if isinstance(decision, Retry):
            return Retry(f"{decision}{said}", after=decision.after)
        if isinstance(decision, OpenCircuit):
            return OpenCircuit(f"{decision}{said}", after=decision.after)
        if isinstance(decision, Reject):
            return OpenCircuit(f"{decision}: is the path right?{said}")
        return decision

    def _said(self, answer: Answer) -> str:
        """The messages of an error answer, to go behind our own words."""
        try:
            said = wire.messages(wire.parse(answer.body))
        except wire.Unreadable:
            return ""
        return f" ({self.without_key('; '.join(said))})" if said else ""

    def without_key(self, text: str) -> str:
        """Some gateways quote the key they refuse."""
        return text.replace(self._key, "(key)")

    def _mind_quiet_hours(self) -> None:
        now = self._now()
        end = self._clock.quiet_until(now)
        if end is not None:
            raise OpenCircuit(f"quiet hours of the ERP until {end:%Y-%m-%d %H:%M} UTC", after=end - now, planned=True)

    # -- parameters --------------------------------------------------------------------------------------------

    def _paged(self, page: int, size: int) -> dict[str, str]:
        return {self._profile.page_parameter: str(page), self._profile.page_size_parameter: str(size)}

    def _included(self) -> dict[str, str]:
        return {self._profile.include_parameter: "all"}

    def _changed(self, resource: str, after: datetime | None) -> dict[str, str]:
        if after is None:
            return {}
        stamp = after.strftime(self._profile.filter_date_format)
        return {self._profile.filter_parameter: f"{self._theirs(resource, 'last_mod')} gt {quoted(stamp)}"}

    def _environment(self) -> dict[str, str]:
        if self._settings.environment_code_placement != "query":
            return {}
        return {self._profile.environment_parameter: self._settings.environment_code}

    def _theirs(self, resource: str, name: str) -> str:
        return self._profile.aliases.get(resource, {}).get(name, name)

    def _ours(self, resource: str) -> dict[str, str]:
        return {theirs: ours for ours, theirs in self._profile.aliases.get(resource, {}).items()}


def _figures(reply: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The rows and what stands beside them. No source shows this resource's envelope: that of a master or that of a
    document, both are taken."""
    data = reply.get("data")
    rows = data.get("header") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise OpenCircuit("inventory: neither data nor data.header is a list of rows", by_content=True)
    return rows, {**reply, **data} if isinstance(data, dict) else reply


def read_each(rows: Sequence[Row], read: Callable[[Row], T], what: str) -> tuple[tuple[T, ...], dict[str, str]]:
    """What could be read, and why the others could not, by their keys. Raises OpenCircuit where those are most."""
    found: list[T] = []
    odd: dict[str, str] = {}
    for place, row in enumerate(rows):
        try:
            found.append(read(row))
        except Malformed as fault:
            odd[row.key or f"row {place}"] = str(fault)
    first = next(iter(odd.values()), "")
    if odd:
        log.error("rows that cannot be read", what=what, odd=len(odd), of=len(rows), first=first)
    if len(rows) >= ODD_ROWS and len(odd) * 2 > len(rows):
        raise OpenCircuit(f"{len(odd)} of {len(rows)} {what} cannot be read: {first}", by_content=True)
    return tuple(found), odd


def quoted(value: str) -> str:
    """A value inside ``$filter``: in single quotes, a quote inside doubled, as in OData."""
    return "'" + value.replace("'", "''") + "'"


def _base(settings: BlueCherrySettings) -> str:
    in_path = settings.environment_code_placement == "path"
    return f"{settings.base_url}/{settings.environment_code}" if in_path else settings.base_url


def _row(raw: object) -> Row:
    """A row with its key and stamp, where it has them."""
    if not isinstance(raw, dict):
        return Row({"unreadable": raw}, None, None)
    key = raw.get("pkey")
    return Row(raw, str(key) if key not in (None, "") else None, _stamp(raw.get("last_mod")))


def _check_readable(resource: str, rows: Sequence[Row], readable: Sequence[bool]) -> None:
    odd = readable.count(False)
    if len(rows) >= ODD_ROWS and odd * 2 > len(rows):
        raise OpenCircuit(f"{resource}: {odd} of {len(rows)} rows have no key or no stamp", by_content=True)


def _stamp(value: object) -> datetime | None:
    try:
        return parse_stamp(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def _strangers(rows: Sequence[Row], reference: Reference) -> bool:
    return any(str(row.fields.get("po_num", "")).rstrip() != reference for row in rows)
