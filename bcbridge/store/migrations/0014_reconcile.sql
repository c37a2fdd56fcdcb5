-- Channels compared with the ERP: what was asked for, how far it is, what it came to.

-- A reconciliation asks for the orders that were created since a moment.
CREATE INDEX orders_by_creation ON orders (connector, created_at) WHERE created_at IS NOT NULL;

-- `asked_by`: a person; empty: the night. `stage`: how far it is, in words. `tally`: what was counted
-- (model/reconcile.py). `more`: differences that are not kept.
CREATE TABLE reconcile_runs (
    id       INTEGER PRIMARY KEY,
    channel  TEXT NOT NULL,
    since    TEXT NOT NULL,
    heal     INTEGER NOT NULL,
    asked_by TEXT NOT NULL DEFAULT '',
    state    TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    asked_at TEXT NOT NULL,
    began_at TEXT,
    ended_at TEXT,
    stage    TEXT NOT NULL DEFAULT '',
    reason   TEXT NOT NULL DEFAULT '',
    tally    TEXT NOT NULL DEFAULT '{}',
    more     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX reconcile_runs_by_channel ON reconcile_runs (channel, id);

CREATE TABLE reconcile_findings (
    run_id     INTEGER NOT NULL REFERENCES reconcile_runs (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    difference TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

-- Documents as the ERP lists them, for as long as a run lasts. `body`: the record (model/sales_order.py).
CREATE TABLE reconcile_held (
    run_id    INTEGER NOT NULL REFERENCES reconcile_runs (id) ON DELETE CASCADE,
    reference TEXT NOT NULL,
    number    TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (run_id, reference, number)
) WITHOUT ROWID;
