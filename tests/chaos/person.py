"""The person at the desk: ends what only a person may end, after looking into the ERP, as the runbook says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.chaos.arena import Arena
from tests.e2e.books import REFERENCE

NOT_POSTED = "accepted_not_posted"
WHY = "looked: accepted, and not in the ERP after everything accepted had its turn"


@dataclass
class Person:
    """Has booked anew what the ERP accepted and then refused to post."""

    arena: Arena
    rebooked: list[str] = field(default_factory=list)

    def look(self) -> None:
        """One look at the exceptions; acts on those that the ERP certainly does not hold."""
        for incident in self.arena.did("exceptions")["incidents"]:
            found = re.search(REFERENCE.pattern, incident["text"])
            if incident["code"] == NOT_POSTED and found and not self.arena.is_in_erp(found[0]):
                self.arena.did("resolve", found[0], "--rebook", "--why", WHY, "--yes")
                self.rebooked.append(found[0])
