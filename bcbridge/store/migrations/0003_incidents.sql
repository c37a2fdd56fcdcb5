-- One row per fingerprint for good: an incident is opened, counted, resolved, and opened again as the same one.
-- What happened to it is told once, by the rows of incident_changes, written in the unit that made it happen.

DELETE FROM incidents WHERE id NOT IN (SELECT max(id) FROM incidents GROUP BY fingerprint);
DROP INDEX incidents_open;
CREATE UNIQUE INDEX incidents_once ON incidents (fingerprint);
CREATE INDEX incidents_standing ON incidents (code, connector) WHERE closed_at IS NULL;

ALTER TABLE incidents ADD COLUMN cause TEXT NOT NULL DEFAULT '';
UPDATE incidents SET cause = substr(fingerprint, length(code) + length(connector) + 3);
ALTER TABLE incidents ADD COLUMN times_opened INTEGER NOT NULL DEFAULT 1;
ALTER TABLE incidents ADD COLUMN closed_by TEXT NOT NULL DEFAULT '';  -- a person; empty: the cause was cured
ALTER TABLE incidents ADD COLUMN acked_at TEXT;
ALTER TABLE incidents ADD COLUMN acked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN snoozed_until TEXT;

CREATE TABLE incident_changes (
    id          INTEGER PRIMARY KEY,
    incident_id INTEGER NOT NULL REFERENCES incidents (id),
    at          TEXT NOT NULL,
    change      TEXT NOT NULL CHECK (change IN ('opened', 'reopened', 'resolved', 'acked', 'snoozed', 'escalated')),
    who         TEXT NOT NULL DEFAULT '',   -- a person; empty: bcbridge itself
    why         TEXT NOT NULL DEFAULT '',
    routed      INTEGER NOT NULL DEFAULT 0  -- the alerts it calls for are on disk
);
CREATE INDEX incident_changes_by_incident ON incident_changes (incident_id);
CREATE INDEX incident_changes_unrouted ON incident_changes (id) WHERE routed = 0;
