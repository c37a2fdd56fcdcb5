"""Where alerts arrive, simulated: Slack's incoming webhooks and a mail server. They keep what they received.

``async with serving(folder, port=0, smtp_port=0) as desk:`` runs both; `AlertsSettings` are the well-known values that
open nothing else.
"""

from bcbridge.sandbox.alerts.server import Desk, serving
from bcbridge.sandbox.alerts.settings import AlertsSettings

__all__ = ["AlertsSettings", "Desk", "serving"]
