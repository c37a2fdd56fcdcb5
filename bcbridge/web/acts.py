"""``POST /acts/{act}``: what a person does through the command line. Served on the owner's socket only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from aiohttp import web
from pydantic import Field, ValidationError

from bcbridge.errors import Misconfigured, StoreBusy
from bcbridge.model.acts import ActResult, Incidents, NotFound, Refusal, Resolution, Selection
from bcbridge.model.person import Whose
from bcbridge.model.record import Moment, Record
from bcbridge.web.hooks import BODY_WITHIN_SECONDS
from bcbridge.web.protocols import Acts

Who = Field(min_length=1, max_length=100)
Why = Field(min_length=1, max_length=2000)


class _Ask(Record):
    who: str = Who
    dry_run: bool = False


class _Retry(_Ask):
    selection: Selection


class _Skip(_Ask):
    selection: Selection
    why: str = Why


class _Resolve(_Ask):
    order: str
    resolution: Resolution
    why: str = Why


class _Agree(_Ask):
    order: str
    why: str = Why


class _Confirm(_Ask):
    write: str
    why: str = Why


class _SetMapping(_Ask):
    table: str
    channel: str = ""
    key: str
    value: str


class _Erase(_Ask):
    whose: Whose
    why: str = Why


class _Incidents(_Ask):
    which: Incidents
    why: str = Field(default="", max_length=2000)


class _Snooze(_Incidents):
    until: Moment


class _ResolveIncidents(_Incidents):
    why: str = Why
    anyway: bool = False


class _NoteBackup(_Ask):
    file: str


class _AcceptStock(_Ask):
    erp: str
    why: str = Why


class _CompareStock(_Ask):
    channel: str


class _PushStock(_CompareStock):
    why: str = Why


class _Reconcile(_Ask):
    channel: str = ""
    since: Moment | None = None
    heal: bool = True


Act = Callable[[Acts, bytes], Awaitable[ActResult]]


async def _retry(acts: Acts, body: bytes) -> ActResult:
    ask = _Retry.model_validate_json(body)
    return await acts.retry(ask.selection, who=ask.who, dry_run=ask.dry_run)


async def _skip(acts: Acts, body: bytes) -> ActResult:
    ask = _Skip.model_validate_json(body)
    return await acts.skip(ask.selection, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _resolve(acts: Acts, body: bytes) -> ActResult:
    ask = _Resolve.model_validate_json(body)
    return await acts.resolve(ask.order, ask.resolution, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _agree(acts: Acts, body: bytes) -> ActResult:
    ask = _Agree.model_validate_json(body)
    return await acts.agree(ask.order, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _confirm(acts: Acts, body: bytes) -> ActResult:
    ask = _Confirm.model_validate_json(body)
    return await acts.confirm(ask.write, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _set_mapping(acts: Acts, body: bytes) -> ActResult:
    ask = _SetMapping.model_validate_json(body)
    return await acts.set_mapping(ask.table, ask.channel, ask.key, ask.value, who=ask.who, dry_run=ask.dry_run)


async def _erase(acts: Acts, body: bytes) -> ActResult:
    ask = _Erase.model_validate_json(body)
    return await acts.erase(ask.whose, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _ack_incidents(acts: Acts, body: bytes) -> ActResult:
    ask = _Incidents.model_validate_json(body)
    return await acts.incidents.ack(ask.which, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _snooze_incidents(acts: Acts, body: bytes) -> ActResult:
    ask = _Snooze.model_validate_json(body)
    return await acts.incidents.snooze(ask.which, until=ask.until, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _resolve_incidents(acts: Acts, body: bytes) -> ActResult:
    ask = _ResolveIncidents.model_validate_json(body)
    return await acts.incidents.resolve(ask.which, anyway=ask.anyway, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _note_backup(acts: Acts, body: bytes) -> ActResult:
    ask = _NoteBackup.model_validate_json(body)
    return await acts.note_backup(ask.file, who=ask.who, dry_run=ask.dry_run)


async def _accept_stock(acts: Acts, body: bytes) -> ActResult:
    ask = _AcceptStock.model_validate_json(body)
    return await acts.stock.accept(ask.erp, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _compare_stock(acts: Acts, body: bytes) -> ActResult:
    ask = _CompareStock.model_validate_json(body)
    return await acts.stock.start_compare(ask.channel, who=ask.who, dry_run=ask.dry_run)


async def _push_stock(acts: Acts, body: bytes) -> ActResult:
    ask = _PushStock.model_validate_json(body)
    return await acts.stock.start_push(ask.channel, why=ask.why, who=ask.who, dry_run=ask.dry_run)


async def _reconcile(acts: Acts, body: bytes) -> ActResult:
    ask = _Reconcile.model_validate_json(body)
    start = acts.reconciling.start
    return await start(ask.channel, since=ask.since, heal=ask.heal, who=ask.who, dry_run=ask.dry_run)


ACTS: dict[str, Act] = {
    "retry": _retry,
    "skip": _skip,
    "resolve": _resolve,
    "agree": _agree,
    "confirm": _confirm,
    "set_mapping": _set_mapping,
    "erase": _erase,
    "note_backup": _note_backup,
    "ack_incidents": _ack_incidents,
    "snooze_incidents": _snooze_incidents,
    "resolve_incidents": _resolve_incidents,
    "stock_accept": _accept_stock,
    "stock_compare": _compare_stock,
    "stock_push": _push_stock,
    "reconcile": _reconcile,
}


class ActDoor:
    """Parses what was asked, has it done, and answers in JSON either way."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/acts/{act}", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """As the owner of the socket asks, in whose name the body says."""
        return await self.answer(request, signed=lambda body: body)

    async def answer(self, request: web.Request, *, signed: Callable[[bytes], bytes]) -> web.Response:
        """``signed`` puts into the body in whose name it is asked."""
        act = ACTS.get(request.match_info["act"])
        if act is None:
            return _refused(404, f"no such act; there are {', '.join(ACTS)}")
        try:
            with anyio.fail_after(BODY_WITHIN_SECONDS):
                body = await request.read()
        except TimeoutError:
            return _refused(408, "the body did not arrive in time")
        return await self._done(act, signed(body))

    async def _done(self, act: Act, body: bytes) -> web.Response:
        try:
            done = await act(self._acts, body)
        except ValidationError as fault:
            return _refused(400, "; ".join(_plain(error["loc"], error["msg"]) for error in fault.errors()))
        except NotFound as fault:
            return _refused(404, str(fault))
        except Refusal as fault:
            return _refused(409, str(fault))
        except Misconfigured as fault:
            return _refused(422, str(fault))
        except StoreBusy as fault:
            return _refused(503, f"the store cannot take it now: {fault}")
        return web.Response(body=done.model_dump_json(), content_type="application/json")


def _plain(loc: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, loc)) or 'body'}: {message}"


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
