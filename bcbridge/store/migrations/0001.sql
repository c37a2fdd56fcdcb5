-- The one file. Rules live here: unique keys, partial indexes, checks. Moments are UTC text
-- 'YYYY-MM-DDTHH:MM:SS.ffffffZ' (sortable, readable); money is text (exact decimals).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- How far each list was read. Moves in the same transaction as what its page brought.
CREATE TABLE cursors (
    connector TEXT NOT NULL,
    noun      TEXT NOT NULL,
    list      TEXT NOT NULL,
    value     TEXT NOT NULL,
    moved_at  TEXT NOT NULL,
    PRIMARY KEY (connector, noun, list)
) WITHOUT ROWID;

-- The newest stamp under which a list showed a record: what was listed before is not looked at again.
CREATE TABLE listed (
    connector TEXT NOT NULL,
    noun      TEXT NOT NULL,
    list      TEXT NOT NULL,
    ref       TEXT NOT NULL,
    modified  TEXT NOT NULL,
    PRIMARY KEY (connector, noun, list, ref)
) WITHOUT ROWID;

-- Notifications let in: ids, stamps and a hash of the body, never the body.
CREATE TABLE deliveries (
    connector   TEXT NOT NULL,
    topic       TEXT NOT NULL,
    delivery    TEXT NOT NULL,
    ref         TEXT,
    modified    TEXT,
    body_hash   TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (connector, topic, delivery)
) WITHOUT ROWID;
CREATE INDEX deliveries_by_age ON deliveries (received_at);

-- The inbox: each record as its system last said it was. Personal data lives here and in outbox bodies only.
CREATE TABLE documents (
    id        INTEGER PRIMARY KEY,
    connector TEXT NOT NULL,
    noun      TEXT NOT NULL,
    ref       TEXT NOT NULL,
    modified  TEXT NOT NULL,
    asked     TEXT NOT NULL,
    body      BLOB NOT NULL,
    UNIQUE (connector, noun, ref)
);

-- The queue. A job carries a ref, never a payload; at most one waits per (flow, connector, ref).
CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY,
    flow         TEXT NOT NULL,
    connector    TEXT NOT NULL,
    ref          TEXT NOT NULL,
    ordering_key TEXT NOT NULL,
    priority     INTEGER NOT NULL CHECK (priority IN (0, 1)),  -- 0 now, 1 bulk
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'dead')),
    wanted       TEXT,                                         -- satisfied by a document at least this new
    enqueued_at  TEXT NOT NULL,
    due_at       TEXT NOT NULL,
    started_at   TEXT,
    ended_at     TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,                   -- counted when claimed
    deaths       INTEGER NOT NULL DEFAULT 0,                   -- the process ended while it ran
    reason       TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX jobs_wait_once ON jobs (flow, connector, ref) WHERE state = 'waiting';
CREATE INDEX jobs_due ON jobs (flow, connector, priority, due_at) WHERE state = 'waiting';
CREATE INDEX jobs_alone ON jobs (flow, connector, due_at) WHERE state = 'waiting' AND deaths >= 3;
CREATE INDEX jobs_running ON jobs (ordering_key) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE state = 'done';

-- One row per channel order: its business state, the reasons, and what was last handled of it.
CREATE TABLE orders (
    id           INTEGER PRIMARY KEY,
    connector    TEXT NOT NULL,
    ref          TEXT NOT NULL,
    channel_id   TEXT NOT NULL DEFAULT '',
    name         TEXT NOT NULL DEFAULT '',
    state        TEXT NOT NULL CHECK (state IN
                     ('not_yet', 'ready', 'blocked', 'sending', 'accepted', 'in_doubt', 'booked', 'never')),
    code         TEXT NOT NULL DEFAULT '',
    reason       TEXT NOT NULL DEFAULT '',
    problems     TEXT NOT NULL DEFAULT '[]',
    since        TEXT NOT NULL,
    first_seen   TEXT NOT NULL,
    created_at   TEXT,
    modified     TEXT,
    look_again   TEXT,
    currency     TEXT NOT NULL DEFAULT '',
    total        TEXT NOT NULL DEFAULT '0',
    content_hash TEXT NOT NULL DEFAULT '',
    booked_at    TEXT,
    skipped_by   TEXT,
    UNIQUE (connector, ref)
);
CREATE INDEX orders_open ON orders (state, since) WHERE state NOT IN ('booked', 'never');
CREATE INDEX orders_by_name ON orders (name);
CREATE INDEX orders_by_channel_id ON orders (channel_id);
CREATE INDEX orders_by_booking ON orders (booked_at) WHERE booked_at IS NOT NULL;

CREATE TABLE order_causes (
    cause    TEXT NOT NULL,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    PRIMARY KEY (cause, order_id)
) WITHOUT ROWID;
CREATE INDEX order_causes_by_order ON order_causes (order_id);

-- Documents we make, one row each, committed before the call that makes it. Never pruned.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY,
    sink        TEXT NOT NULL,
    order_id    INTEGER NOT NULL REFERENCES orders (id),
    part        INTEGER NOT NULL,
    parts       INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    reference   TEXT NOT NULL,
    body        BLOB NOT NULL,
    body_hash   TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN
                    ('queued', 'sending', 'accepted', 'in_doubt', 'posted', 'rejected', 'closed')),
    proof       TEXT NOT NULL DEFAULT 'evidence' CHECK (proof IN ('evidence', 'absence')),
    written_at  TEXT NOT NULL,
    sent_at     TEXT,
    ended_at    TEXT,          -- when the doubtful call had certainly ended on our side
    accepted_at TEXT,
    posted_at   TEXT,          -- when we saw it posted
    posts       INTEGER NOT NULL DEFAULT 0,
    receipt     TEXT NOT NULL DEFAULT '',
    number      TEXT NOT NULL DEFAULT '',
    stamp       TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    differences TEXT NOT NULL DEFAULT '[]',
    cut         TEXT NOT NULL DEFAULT '',  -- which pieces this part holds: fixed by the first row, no mapping cuts it anew
    UNIQUE (sink, reference)
);
CREATE INDEX outbox_open ON outbox (sink, state, id) WHERE state IN ('queued', 'sending', 'accepted', 'in_doubt');
CREATE INDEX outbox_by_order ON outbox (order_id);
CREATE INDEX outbox_by_number ON outbox (number) WHERE number <> '';
CREATE INDEX outbox_evidence ON outbox (sink, accepted_at) WHERE posted_at IS NOT NULL AND accepted_at IS NOT NULL;

-- Two refs that are one thing. Never pruned.
CREATE TABLE links (
    connector       TEXT NOT NULL,
    noun            TEXT NOT NULL,
    ref             TEXT NOT NULL,
    other_connector TEXT NOT NULL,
    other_noun      TEXT NOT NULL,
    other_ref       TEXT NOT NULL,
    linked_at       TEXT NOT NULL,
    PRIMARY KEY (connector, noun, ref, other_connector, other_noun, other_ref)
) WITHOUT ROWID;
CREATE INDEX links_back ON links (other_connector, other_noun, other_ref);

-- What happened to an order. References only, no personal data.
CREATE TABLE events (
    order_id INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    at       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    data     TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (order_id, seq)
) WITHOUT ROWID;

-- The ERP's masters.
CREATE TABLE skus (
    connector    TEXT NOT NULL,
    ref          TEXT NOT NULL,
    style        TEXT NOT NULL,
    upc          TEXT NOT NULL,
    ean          TEXT NOT NULL DEFAULT '',
    division     TEXT NOT NULL,
    style_code   TEXT NOT NULL,
    color_code   TEXT NOT NULL,
    lbl_code     TEXT NOT NULL,
    dimension    TEXT NOT NULL,
    size_desc    TEXT NOT NULL,
    season       TEXT NOT NULL DEFAULT '',
    active       INTEGER NOT NULL,
    price        TEXT,
    destinations TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (connector, ref)
) WITHOUT ROWID;
CREATE INDEX skus_by_upc ON skus (connector, upc);
CREATE INDEX skus_by_style ON skus (connector, style);

CREATE TABLE codes (
    connector TEXT NOT NULL,
    noun      TEXT NOT NULL,
    code      TEXT NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (connector, noun, code)
) WITHOUT ROWID;

-- One row per cause that stands; equal fingerprints are one incident.
CREATE TABLE incidents (
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    code        TEXT NOT NULL,
    connector   TEXT NOT NULL,
    text        TEXT NOT NULL,
    order_id    INTEGER,
    count       INTEGER NOT NULL DEFAULT 1,
    opened_at   TEXT NOT NULL,
    last_at     TEXT NOT NULL,
    closed_at   TEXT
);
CREATE UNIQUE INDEX incidents_open ON incidents (fingerprint) WHERE closed_at IS NULL;

-- Writes an operator confirmed for production, with the read-back that goes with them.
CREATE TABLE confirmations (
    write        TEXT PRIMARY KEY,
    who          TEXT NOT NULL,
    why          TEXT NOT NULL,
    confirmed_at TEXT NOT NULL
) WITHOUT ROWID;

-- Acts of people: who, when, on what, before and after.
CREATE TABLE acts (
    id     INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    who    TEXT NOT NULL,
    act    TEXT NOT NULL,
    target TEXT NOT NULL,
    why    TEXT NOT NULL DEFAULT '',
    data   TEXT NOT NULL DEFAULT '{}'
);

-- A cure frees three orders first, then the rest; any rejection stops it.
CREATE TABLE releases (
    id        INTEGER PRIMARY KEY,
    cause     TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('first', 'rest', 'done', 'stopped')),
    opened_at TEXT NOT NULL,
    ended_at  TEXT
);
CREATE TABLE release_orders (
    release_id INTEGER NOT NULL REFERENCES releases (id),
    order_id   INTEGER NOT NULL,
    stage      TEXT NOT NULL CHECK (stage IN ('held', 'freed')),
    freed_at   TEXT,
    PRIMARY KEY (release_id, order_id)
) WITHOUT ROWID;
CREATE INDEX release_orders_held ON release_orders (order_id) WHERE stage = 'held';
