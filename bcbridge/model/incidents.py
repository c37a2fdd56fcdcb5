"""What can go wrong, by code: how bad it is, whose it is, and whether it ends by itself.

Each code has a page in docs/runbook/ of the same name. The codes of blocked orders are failures too: an order's
problem is an incident of its code as long as an order is blocked by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    LOW = "low"
    """Can be read tomorrow: told in the digest."""
    NORMAL = "normal"
    """Somebody should look today: told at once, outside the quiet hours."""
    CRITICAL = "critical"
    """Cannot wait: told at once, at any hour, and to others when nobody acknowledges it."""


class Team(StrEnum):
    OPERATIONS = "operations"
    FINANCE = "finance"
    ECOMMERCE = "ecommerce"
    CUSTOMER_SERVICE = "customer_service"
    ENGINEERS = "engineers"


@dataclass(frozen=True, slots=True)
class Failure:
    """One code. ``ends`` is false where only a person can say that it is over."""

    code: str
    title: str
    severity: Severity
    team: Team
    ends: bool = True


LOW, NORMAL, CRITICAL = Severity.LOW, Severity.NORMAL, Severity.CRITICAL
OPERATIONS, FINANCE, ECOMMERCE = Team.OPERATIONS, Team.FINANCE, Team.ECOMMERCE
CUSTOMER_SERVICE, ENGINEERS = Team.CUSTOMER_SERVICE, Team.ENGINEERS


def _by_code(failures: Iterable[Failure]) -> Mapping[str, Failure]:
    return {failure.code: failure for failure in failures}


STANDING = _by_code(
    [
        Failure("circuit_open", "A connection is paused", CRITICAL, ENGINEERS),
        Failure("accepted_not_posted", "Accepted, but not posted by BlueCherry", NORMAL, OPERATIONS),
        Failure("not_yet_too_long", "An order has waited in its channel too long", NORMAL, CUSTOMER_SERVICE),
        Failure("booked_differs", "BlueCherry holds something else than was sent", NORMAL, FINANCE, ends=False),
        Failure("double_in_erp", "BlueCherry holds an order twice", CRITICAL, OPERATIONS, ends=False),
        Failure("id_reused", "A new order has the id of one we had before", CRITICAL, OPERATIONS, ends=False),
        Failure("unknown_reference", "BlueCherry holds orders this store did not make", CRITICAL, ENGINEERS),
        Failure("release_stopped", "A release was refused and stands still", NORMAL, OPERATIONS),
        Failure("mappings_refused", "A mappings file cannot be read", NORMAL, OPERATIONS),
        Failure("malformed", "A record cannot be read", NORMAL, ENGINEERS),
        Failure("blocked_too_long", "An order has been blocked too long", NORMAL, OPERATIONS),
        Failure("order_waiting_too_long", "Orders wait too long for the ERP", NORMAL, ENGINEERS),
        Failure("in_doubt_too_long", "Documents have been in doubt too long", NORMAL, OPERATIONS),
        Failure("no_orders", "No orders, against all habit", CRITICAL, ECOMMERCE),
        Failure("source_not_polled", "A source has not been read for too long", NORMAL, ENGINEERS),
        Failure("webhooks_gone", "Webhook subscriptions were gone", LOW, ENGINEERS),
        Failure("webhooks_gone_often", "Webhook subscriptions go again and again", NORMAL, ENGINEERS),
        Failure("webhook_owner_gone", "Webhooks ring without the right to say why", NORMAL, ENGINEERS),
        Failure("webhooks_silent", "A shop no longer rings", NORMAL, ENGINEERS),
        Failure("credential_lapses", "A credential is about to lapse", NORMAL, ENGINEERS),
        Failure("erp_slow", "The ERP answers slowly", LOW, ENGINEERS),
        Failure("starved", "A channel stands still while another goes on", NORMAL, ENGINEERS),
        Failure("stock_old", "The ERP's figures are too old", NORMAL, ENGINEERS),
        Failure("stock_pull_held", "A pull of figures was not believed", CRITICAL, OPERATIONS),
        Failure("stock_not_told", "A shop is not told its numbers", CRITICAL, ENGINEERS),
        Failure("stock_not_released", "Booked pieces that no figure contains", NORMAL, OPERATIONS),
        Failure("stock_oversold", "More pieces are promised than there are", NORMAL, CUSTOMER_SERVICE),
        Failure("stock_buffer_eaten", "Buffers are sold into", LOW, ECOMMERCE),
        Failure("stock_drift", "A shop shows other numbers than it should", NORMAL, ECOMMERCE),
        Failure("stock_rows_refused", "A shop refuses numbers", NORMAL, ECOMMERCE),
        Failure("stock_sku_twice", "A SKU stands on two items of a shop", NORMAL, ECOMMERCE),
        Failure("cancelled_not_stopped", "Cancelled in the shop, and still to be shipped", CRITICAL, CUSTOMER_SERVICE),
        Failure("order_differs", "An order is not the same in the shop and in the ERP", NORMAL, CUSTOMER_SERVICE),
        Failure("refund_due", "Money is due for what will not be sent", NORMAL, FINANCE),
        Failure("not_dispatched", "Booked pieces have not left their warehouse", NORMAL, OPERATIONS),
        Failure("dispatch_not_told", "Pieces left, and their shop was not told yet", NORMAL, ENGINEERS),
        Failure("tracking_missing", "Pieces left without a tracking number", NORMAL, OPERATIONS),
        Failure("dispatched_not_captured", "Orders left in full, and their money was not taken", NORMAL, FINANCE),
        Failure("authorisation_lapses", "Authorised money is about to be let go", NORMAL, FINANCE),
        Failure("dispatch_blocked", "Pieces left, and their shop cannot be told", NORMAL, OPERATIONS),
        Failure("reconcile_found", "A shop and the ERP do not agree", NORMAL, OPERATIONS),
        Failure("disk_space", "The disk is nearly full", CRITICAL, ENGINEERS),
        Failure("backup_old", "The last backup is too old", NORMAL, ENGINEERS),
        Failure("wal_grows", "The store's write-ahead log has grown large", LOW, ENGINEERS),
        Failure("watch_failed", "A watch cannot look", NORMAL, ENGINEERS),
        Failure("job_dead", "A piece of work was given up", NORMAL, ENGINEERS),
        Failure("alerts_not_delivered", "Alerts cannot be delivered", CRITICAL, ENGINEERS),
        Failure("alerts_given_up", "Alerts were never delivered", NORMAL, ENGINEERS, ends=False),
    ]
)
"""Incidents of the bridge and its connections."""

BLOCKED = _by_code(
    [
        Failure("unknown_sku", "BlueCherry does not know this SKU", NORMAL, ECOMMERCE),
        Failure("ambiguous_upc", "Two SKUs have one UPC", NORMAL, ECOMMERCE),
        Failure("barcode_differs", "A variant's barcode is not its SKU", NORMAL, ECOMMERCE),
        Failure("link_differs", "A variant was sold as another SKU before", NORMAL, ECOMMERCE),
        Failure("inactive_sku", "The SKU is no longer active", NORMAL, ECOMMERCE),
        Failure("not_in_assortment", "The SKU is not in this channel's assortment", NORMAL, ECOMMERCE),
        Failure("price_off_list", "The price differs from the list price", NORMAL, FINANCE),
        Failure("nonsense_quantity", "A quantity that makes no sense", NORMAL, ENGINEERS),
        Failure("no_goods", "An order without goods and without a division", NORMAL, ENGINEERS),
        Failure("circular", "A rental, resale or membership order", NORMAL, OPERATIONS),
        Failure("no_house_account", "No customer for this channel and currency", NORMAL, FINANCE),
        Failure("no_customer_group", "No customer group for this source", NORMAL, FINANCE),
        Failure("no_division", "No division for these goods", NORMAL, OPERATIONS),
        Failure("no_warehouse", "No warehouse for this location", NORMAL, OPERATIONS),
        Failure("no_ship_via", "No ship via for this shipping method", NORMAL, OPERATIONS),
        Failure("no_terms", "No terms for this payment", NORMAL, FINANCE),
        Failure("no_tax_code", "No code for this tax", NORMAL, FINANCE),
        Failure("no_allowance", "No allowance for this discount", NORMAL, FINANCE),
        Failure("charge_without_code", "No code for this charge", NORMAL, FINANCE),
        Failure("money_does_not_tie", "The money does not tie to the cent", NORMAL, FINANCE),
        Failure("nonsense_amount", "An amount that makes no sense", NORMAL, FINANCE),
        Failure("partly_refunded", "Refunded in part before it was booked", NORMAL, FINANCE),
        Failure("address_incomplete", "The address is incomplete", NORMAL, CUSTOMER_SERVICE),
        Failure("over_width", "A text is longer than BlueCherry's field", NORMAL, CUSTOMER_SERVICE),
        Failure("bad_reference", "An order id that cannot stand in a reference", NORMAL, ENGINEERS),
        Failure("malformed", "A record cannot be read", NORMAL, ENGINEERS),
        Failure("erp_refused", "BlueCherry refused the document", NORMAL, OPERATIONS),
        Failure("release_stopped", "A release was refused and stands still", NORMAL, OPERATIONS),
        Failure("partly_booked", "Came to nothing after a part of it was booked", NORMAL, OPERATIONS),
        Failure("cut_changed", "The rest of an order would be cut otherwise", NORMAL, OPERATIONS),
    ]
)
"""Why orders are blocked (docs/orders.md)."""

FAILURES: Mapping[str, Failure] = {**BLOCKED, **STANDING}
