"""How this ERP is set up: everything a customer's own BlueCherry could differ in, and all faults it can have."""

from __future__ import annotations

import re
from dataclasses import dataclass

SUBSCRIPTION_KEY = "sandbox-bluecherry-subscription-key"


@dataclass(frozen=True)
class BlueCherrySettings:
    """``serving``'s settings; the defaults are what ``python -m bcbridge.sandbox.main`` runs with."""

    subscription_key: str = SUBSCRIPTION_KEY
    merchant_code: str = "SNDBX"
    """First segment of every API path (NOTES 1)."""
    erp_timezone: str = "America/New_York"
    """Zone of every stamp the ERP writes or is asked for; the stamps themselves name none."""
    calls_per_minute: int = 3_000
    """Over any 60 seconds; one more is a 429. 0: no limit."""
    post_every_seconds: float = 5.0
    """How often the background job turns accepted orders into sales orders."""
    po_num_width: int = 30
    wholesale_orders: int = 200
    """Sales orders of other channels that the season starts with."""
    refuse_duplicates: bool = False
    """Whether a ``po_num`` that this customer already has is refused when it is posted to the API again."""
    change_path: str = ""
    """The resource under ``/api/`` that takes corrections of booked orders, as ``orderchange``; assumed. "": there is
    none, as none is documented."""
    held_status: str = "H"
    """``ord_status`` of an order that takes no stock until it is released."""
    stock_cycle_seconds: float = 0.0
    """How often the stock export is built; 0: figures are live."""
    stock_build_seconds: float = 0.0
    """How long a build takes."""
    stock_capture: str = "start"
    """``start``: a build captures all rows at its start; ``rows``: one after another while it builds."""
    stock_stamp: str = "row_ledger"
    """What ``last_mod`` of a stock row is: ``row_ledger`` when the ledger's row last moved, ``export_written`` and
    ``export_start`` when the export wrote the row (``export_start`` also names the start of the build in a column of
    its own), ``none`` no stamps at all, ``live`` as ``row_ledger`` and never an export."""
    stock_export_field: str = "export_date"
    """The column that names the start of the build."""
    stock_rewrites_all: bool = False
    """Whether an export writes every row anew; else one that is as it was keeps the stamp it had."""
    stock_rows: str = "exploded"
    """``exploded``: a row per SKU; ``buckets``: a row per style and colour, with 24 quantities of one number;
    ``ledger``: such a row for each transaction type."""
    stock_bucket_number: str = "ots"
    """Which number bucket-wide rows carry."""
    stock_components: bool = True
    """Whether rows show the sixteen sums of the ledger, or only the numbers made of them."""
    life: float = 0.0
    """How busy this ERP is by itself: picking, receiving, selling to other shops. 0: not at all; 1: modestly."""

    def __post_init__(self) -> None:
        for name, known in STOCK_CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
        if not re.fullmatch(r"[A-Za-z0-9]*", self.change_path) or self.change_path in ("order", "PhysicalInventoryTM"):
            raise ValueError(f"change_path is a resource of its own, in letters and digits, not {self.change_path!r}")


STOCK_CHOICES = {
    "stock_capture": ("start", "rows"),
    "stock_stamp": ("live", "row_ledger", "export_start", "export_written", "none"),
    "stock_rows": ("exploded", "buckets", "ledger"),
    "stock_bucket_number": ("qoh", "qoh_minus_pick", "ots", "ots_wip"),
}


GATEWAY_FAULTS = {
    "error_500": "answers 500 before anything is accepted",
    "error_502_html": "answers 502 with a page of HTML before anything is accepted",
    "slow": "waits slow_ms first",
    "timeout": "never answers (a 504 after timeout_seconds); nothing is accepted",
    "throttle_429": "answers 429 with Retry-After retry_after_seconds",
    "key_401": "answers 401 as if the key were wrong",
    "quota_403": "answers 403 as if the quota were spent",
}

FAULTS = {
    **GATEWAY_FAULTS,
    **{f"{name}_on_get": f"{text} (reads only)" for name, text in GATEWAY_FAULTS.items()},
    **{f"{name}_on_post": f"{text} (writes only)" for name, text in GATEWAY_FAULTS.items()},
    "answer_lost": "accepts, then drops the connection without an answer",
    "answer_lost_before": "drops the connection without an answer and accepts nothing",
    "late_acceptance": "drops the connection at once and accepts late_ms later",
    "error_500_after": "accepts, then answers 500",
    "timeout_after": "accepts, then never answers (a 504 after timeout_seconds)",
    "change_answer_lost": "makes a correction, then drops the connection without an answer",
    "change_call_lost": "drops the connection of a correction without an answer and changes nothing",
    "refuse_errorMessage": "refuses with errors[].errorMessage",
    "refuse_message": "refuses with errors[].message",
    "refuse_message_list": "refuses with message[].message",
    "refuse_text": "refuses with a message that is a text",
    "contract_break": "answers 200 with neither pkey, data nor error (a write is accepted all the same)",
    "posting_stopped": "the posting job stands still",
    "posting_refuses": "an accepted order is refused when it is posted; no sales order appears",
    "posting_out_of_order": "the posting job takes the newest first, and leaves the older half for next time",
    "changed_on_posting": "a price or a quantity is altered when the order is posted",
    "filter_ignored": "reads ignore $filter and equality parameters",
    "list_wrong_shape": "a document resource answers with a plain list",
    "empty_children": "the child collections of a document have no rows",
    "missing_children": "the child collections of a document are missing",
    "export_missing": "a stock export is not built when its time has come",
    "export_late": "a stock export begins export_late_seconds late",
    "export_rows_missing": "a stock export lacks rows: a share of export_share_missing",
    "export_all_zero": "a stock export has all rows, and no piece in any",
    "export_cut": "a stock export ends in the middle",
    "publish_between_pages": "a new stock export appears right before a page other than the first is answered",
    "stock_replica_behind": "stock is answered from the export before",
    "duplicate_upc": "the style master shows the first UPC of the page on a second SKU as well",
}

VALUES: dict[str, tuple[float, str]] = {
    "slow_ms": (2_000, "how long slow waits"),
    "timeout_seconds": (60, "how long timeout hangs before its 504"),
    "late_ms": (3_000, "how long late_acceptance takes"),
    "retry_after_seconds": (2, "Retry-After of throttle_429"),
    "export_late_seconds": (300, "how late export_late is"),
    "export_share_missing": (0.2, "share of the rows that export_rows_missing leaves out"),
    "stamps_ahead_seconds": (0, "the clock that stamps stock exports is so far ahead of the ERP's own"),
    "stamps_behind_seconds": (0, "the clock that stamps stock exports is so far behind the ERP's own"),
    "stamp_grain_seconds": (1, "every stamp is cut to so many seconds"),
}
