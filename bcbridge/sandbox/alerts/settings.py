"""Which channels and which mailbox there are, and all faults the two can have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AlertsSettings:
    """``serving``'s settings; the defaults are what ``python -m bcbridge.sandbox.main`` runs with."""

    team: str = "T0"
    channels: tuple[str, ...] = ("B0", "B1", "B2", "B3", "B4", "B5")
    """Each has a webhook of its own; the first is the one in ``credentials/slack_webhook``."""
    token: str = "XXX"  # noqa: S105 - a well-known value
    smtp_user: str = "sandbox"
    """Signing in is offered and not asked for."""
    smtp_password: str = "sandbox-smtp-password"  # noqa: S105
    mail_bytes: int = 10 * 1024 * 1024

    @property
    def webhook(self) -> str:
        """The path of the first channel's webhook."""
        return f"/services/{self.team}/{self.channels[0]}/{self.token}"


FAULTS = {
    "slack_429": "answers 429 rate_limited with Retry-After retry_after_seconds",
    "slack_500": "answers 500 rollup_error",
    "slack_no_service": "answers 404 no_service, as if the webhook had been taken away",
    "slack_archived": "answers 410 channel_is_archived",
    "slack_slow": "waits slow_ms first",
    "slack_black_hole": "never answers",
    "slack_answer_lost": "keeps the message, then drops the connection without an answer",
    "smtp_busy": "answers 421 to a sender",
    "smtp_try_later": "answers 451 to a recipient",
    "smtp_refused": "answers 550 to a recipient",
    "smtp_message_later": "answers 451 after the message was sent, and does not keep it",
    "smtp_message_refused": "answers 554 after the message was sent, and does not keep it",
    "smtp_black_hole": "greets, and answers nothing from then on",
    "smtp_answer_lost": "keeps the message, then drops the connection without an answer",
}

VALUES: dict[str, tuple[float, str]] = {
    "slow_ms": (2_000, "how long slack_slow waits"),
    "retry_after_seconds": (2, "Retry-After of slack_429"),
}
