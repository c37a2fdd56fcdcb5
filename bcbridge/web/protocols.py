"""What the front door needs from the rest of the house; ``app`` hands it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from bcbridge.connectors.base import Notification
from bcbridge.model.acts import ActResult, Incidents, Resolution, Selection
from bcbridge.model.person import Whose
from bcbridge.store.views import FlowPulse, Pulse


class Intake(Protocol):
    """Where notifications are put away."""

    async def take(self, connector: str, notification: Notification, body_hash: str) -> None:
        """Returns when it is on disk; a repeated delivery is no error. Raises StoreBusy: then nothing was kept."""
        ...


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A production write that waits for its operator's word, and the read-back that is confirmed with it."""

    write: str
    """As ``bluecherry.orders``; what ``bcbridge confirm`` takes."""
    read_back: str
    """How it is found again, in words: ``sales orders by po_num``."""
    books: bool = True
    """Whether orders wait for it; otherwise numbers do."""


class Vitals(Protocol):
    """What the running process knows and the store does not."""

    def pulses(self) -> Sequence[Pulse]:
        """Every connection, enabled or not."""
        ...

    def flows(self) -> Sequence[FlowPulse]:
        """Every flow on every connection it works for."""
        ...

    def unconfirmed(self) -> Sequence[Unconfirmed]:
        """Writes that are refused until a person confirms them."""
        ...

    def stopped(self) -> Sequence[str]:
        """Why nothing is booked at all, in words (a foreign reference at the start, a full disk); mostly empty."""
        ...

    def notes(self) -> Sequence[str]:
        """What is worth knowing and keeps nothing from being booked, in words: alerts that reach nobody."""
        ...


@dataclass(frozen=True, slots=True)
class Figure:
    """One sample for ``/metrics``. ``name`` comes without prefix: ``calls_total`` is shown as ``bcbridge_calls_total``.

    Samples of one name have the same label names.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Figures(Protocol):
    def figures(self) -> Iterable[Figure]:
        """What the parts of the engine counted, as of now; cheap."""
        ...


class IncidentActs(Protocol):
    """What a person may do about incidents that stand; as ``Acts``."""

    async def ack(self, which: Incidents, *, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def snooze(self, which: Incidents, *, until: datetime, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def resolve(self, which: Incidents, *, anyway: bool, why: str, who: str, dry_run: bool) -> ActResult:
        """What ends by itself is left out, unless ``anyway``."""
        ...


class StockActs(Protocol):
    """What a person may say about stock; as ``Acts``."""

    async def accept(self, erp: str, *, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def start_compare(self, channel: str, *, who: str, dry_run: bool) -> ActResult: ...

    async def start_push(self, channel: str, *, why: str, who: str, dry_run: bool) -> ActResult: ...


class ReconcileActs(Protocol):
    """A channel compared with the ERP now; as ``Acts``."""

    async def start(self, channel: str, *, since: datetime | None, heal: bool, who: str, dry_run: bool) -> ActResult:
        """``channel``: empty means all; ``since``: None as by night."""
        ...


class Acts(Protocol):
    """What a person may do. Each records who and when. With ``dry_run`` it only counts.

    All raise NotFound, Refusal (model/acts.py) and StoreBusy.
    """

    @property
    def incidents(self) -> IncidentActs: ...

    @property
    def stock(self) -> StockActs: ...

    @property
    def reconciling(self) -> ReconcileActs: ...

    async def retry(self, selection: Selection, *, who: str, dry_run: bool) -> ActResult: ...

    async def skip(self, selection: Selection, *, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def resolve(self, order: str, resolution: Resolution, *, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def agree(self, order: str, *, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def confirm(self, write: str, *, why: str, who: str, dry_run: bool) -> ActResult: ...

    async def set_mapping(
        self, table: str, channel: str, key: str, value: str, *, who: str, dry_run: bool
    ) -> ActResult:
        """Raises Misconfigured where the table does not take the value. An empty channel means all channels."""
        ...

    async def erase(self, whose: Whose, *, why: str, who: str, dry_run: bool) -> ActResult:
        """A person's data leaves the store where its orders have ended."""
        ...

    async def note_backup(self, file: str, *, who: str, dry_run: bool) -> ActResult:
        """A backup of the store was made into this file."""
        ...
