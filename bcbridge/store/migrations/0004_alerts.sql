-- The alert queue: on disk before it is sent. An alert is one change of one incident for one box, and a box is a team
-- at one of its channels ("slack/ops", "email"). Several alerts go out in one letter.

ALTER TABLE incident_changes ADD COLUMN opening INTEGER NOT NULL DEFAULT 1;  -- the first, second ... time it stood
DROP INDEX incident_changes_by_incident;
CREATE INDEX incident_changes_by_incident ON incident_changes (incident_id, at);
CREATE INDEX incidents_closed ON incidents (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY,
    change_id   INTEGER NOT NULL REFERENCES incident_changes (id),
    incident_id INTEGER NOT NULL REFERENCES incidents (id),
    opening     INTEGER NOT NULL,
    team        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('news', 'reminder', 'escalation', 'recovery', 'digest')),
    severity    TEXT NOT NULL CHECK (severity IN ('low', 'normal', 'critical')),
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dropped', 'given_up')),
    made_at     TEXT NOT NULL,
    due_at      TEXT NOT NULL,
    ended_at    TEXT,
    reason      TEXT NOT NULL DEFAULT '',   -- why it was dropped or given up
    UNIQUE (change_id, team, channel, kind)
);
CREATE UNIQUE INDEX alerts_wait_once ON alerts (incident_id, team, channel, kind) WHERE state = 'waiting';
CREATE INDEX alerts_due ON alerts (team, channel, due_at) WHERE state = 'waiting';
CREATE INDEX alerts_by_incident ON alerts (incident_id, team, channel);
CREATE INDEX alerts_ended ON alerts (ended_at) WHERE ended_at IS NOT NULL;

-- How each box fares. Being tried again, and the pace of letters, outlive the process.
CREATE TABLE alert_boxes (
    team           TEXT NOT NULL,
    channel        TEXT NOT NULL,
    last_letter_at TEXT,
    digest_at      TEXT NOT NULL,             -- up to when the last digest told
    attempts       INTEGER NOT NULL DEFAULT 0,  -- failed ones since the last letter that went through
    next_try_at    TEXT,
    down_since     TEXT,
    why            TEXT NOT NULL DEFAULT '',
    sent           INTEGER NOT NULL DEFAULT 0,
    given_up       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (team, channel)
) WITHOUT ROWID;
