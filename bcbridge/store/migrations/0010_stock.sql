-- Stock: the ERP's figures, what orders ask for, what each channel must be showing, and what it was told. The rule is
-- ADR 0031. Moments are stamps (stamps.py): text order is time order.

-- The ERP's number for one SKU in one warehouse. `parts` by lot: {"": {"sa": 100, ...}}; `counted` says by whom.
CREATE TABLE stock_figures (
    sku            TEXT NOT NULL,
    erp            TEXT NOT NULL,
    warehouse      TEXT NOT NULL,
    ots            INTEGER NOT NULL,
    qoh_minus_pick INTEGER NOT NULL,
    ots_wip        INTEGER NOT NULL,
    lots           TEXT NOT NULL,
    dated          TEXT NOT NULL DEFAULT '{}',    -- by lot: [as_of, its own stamp, the publication's]
    as_of          TEXT NOT NULL,
    evidence       TEXT NOT NULL,
    read_at        TEXT NOT NULL,
    PRIMARY KEY (sku, erp, warehouse)
) WITHOUT ROWID;

-- One ERP's feed. `floor`: every figure was taken at or after it, whatever its own as_of says.
CREATE TABLE stock_feeds (
    erp            TEXT PRIMARY KEY,
    mark           TEXT NOT NULL DEFAULT '',    -- how far the delta was read
    floor          TEXT NOT NULL DEFAULT '0001-01-01T00:00:00.000000Z',
    moved_at       TEXT,                        -- start of the last pull that saw any figure move
    pull_began     TEXT,                        -- of the last complete pull of everything
    pull_ended     TEXT,
    delta_ended    TEXT,
    published_at   TEXT,                        -- newest publication known, by the ERP's stamps
    cycles         TEXT NOT NULL DEFAULT '[]',  -- when the last publications were seen, and how late
    held           TEXT NOT NULL DEFAULT '',    -- a pull that was not stored, in words
    accepted       INTEGER NOT NULL DEFAULT 0,  -- a person lets the next such pull in
    changed_since  TEXT,                        -- what was read after a pull that saw a figure move is not older
    echoes         TEXT NOT NULL DEFAULT '[]',  -- [[count, when its request left], ...] not seen again yet
    echo_seen      TEXT,                        -- when the count that was shown last had been sent
    oldest_at      TEXT,                        -- no figure of an older publication is taken
    released_upto  TEXT NOT NULL DEFAULT ''     -- numbers were computed for every floor up to this one
) WITHOUT ROWID;

-- What each order asks of each SKU, as last seen.
CREATE TABLE stock_asked (
    channel   TEXT NOT NULL,
    order_ref TEXT NOT NULL,
    sku       TEXT NOT NULL,
    location  TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    wanted    INTEGER NOT NULL,
    taken     INTEGER NOT NULL,
    placed_at TEXT NOT NULL,
    looked_at TEXT NOT NULL,   -- when the request left that showed it so
    closed    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, order_ref, sku, location)
) WITHOUT ROWID;
CREATE INDEX stock_asked_by_sku ON stock_asked (sku, channel, location) WHERE closed = 0;

-- Pieces of one document of ours that were taken off it inside the ERP, and which of those the channel was not told yet.
CREATE TABLE stock_reduced (
    channel   TEXT NOT NULL,
    order_ref TEXT NOT NULL,
    sku       TEXT NOT NULL,
    reference TEXT NOT NULL,
    reduced   INTEGER NOT NULL DEFAULT 0,
    untold    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, order_ref, sku, reference)
) WITHOUT ROWID;

-- Demand: one row per increase of what an order asks. `posted` if and only if `posted_by` stands.
CREATE TABLE stock_demand (
    id        INTEGER PRIMARY KEY,
    channel   TEXT NOT NULL,
    order_ref TEXT NOT NULL,
    sku       TEXT NOT NULL,
    warehouse TEXT NOT NULL,             -- '' = not known where: counts everywhere
    qty       INTEGER NOT NULL CHECK (qty > 0),
    state     TEXT NOT NULL CHECK (state IN ('known', 'sent', 'posted', 'void')),
    seen_at   TEXT NOT NULL,
    reference TEXT NOT NULL DEFAULT '',  -- the document of ours that asks the ERP for it
    sent_at   TEXT,
    posted_by TEXT CHECK ((state = 'posted') = (posted_by IS NOT NULL)),
    picked_by TEXT,
    settled   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX stock_demand_counts ON stock_demand (sku) WHERE settled = 0 AND state <> 'void';
CREATE INDEX stock_demand_posted ON stock_demand (posted_by) WHERE settled = 0 AND state = 'posted';
CREATE INDEX stock_demand_picked ON stock_demand (picked_by) WHERE settled = 0 AND state = 'posted';
CREATE INDEX stock_demand_by_order ON stock_demand (channel, order_ref, sku);
CREATE INDEX stock_demand_by_reference ON stock_demand (reference) WHERE reference <> '';
CREATE INDEX stock_demand_seen ON stock_demand (seen_at);

-- From config.toml and mappings, written at the start and when one changes.
CREATE TABLE stock_outlets (
    channel   TEXT NOT NULL,
    location  TEXT NOT NULL,
    erp       TEXT NOT NULL,
    basis     TEXT NOT NULL,
    reserves  INTEGER NOT NULL DEFAULT 0,
    takes_off TEXT NOT NULL DEFAULT 'at_order',
    compares  INTEGER NOT NULL DEFAULT 0,
    weight    INTEGER NOT NULL DEFAULT 1,    -- its share where a SKU is split
    known_upto TEXT,                         -- its orders are known up to here
    lag_seconds REAL NOT NULL DEFAULT 0,     -- measured: poll + write
    hides_inactive INTEGER NOT NULL DEFAULT 1,    -- what the ERP no longer sells is shown as none
    PRIMARY KEY (channel, location)
) WITHOUT ROWID;
CREATE TABLE stock_pools (
    channel   TEXT NOT NULL,
    location  TEXT NOT NULL,
    erp       TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    PRIMARY KEY (channel, location, erp, warehouse)
) WITHOUT ROWID;
-- The rule in force for one number, resolved from all that a person wrote; sku '' is the outlet's own.
CREATE TABLE stock_rules (
    channel  TEXT NOT NULL,
    location TEXT NOT NULL,
    sku      TEXT NOT NULL,
    buffer   INTEGER NOT NULL DEFAULT 0,
    percent  INTEGER NOT NULL DEFAULT 0,
    velocity INTEGER NOT NULL DEFAULT 0,   -- a buffer from the speed of sales x the measured lag
    cap      INTEGER,
    stop     INTEGER NOT NULL DEFAULT 0,
    split    INTEGER NOT NULL DEFAULT 0,
    why      TEXT NOT NULL DEFAULT '',     -- which rows of which file, in words
    PRIMARY KEY (sku, channel, location)
) WITHOUT ROWID;
-- A pack is sold as one and made of several: per pieces of each part.
CREATE TABLE stock_packs (
    sku  TEXT NOT NULL,
    part TEXT NOT NULL,
    per  INTEGER NOT NULL CHECK (per > 0),
    PRIMARY KEY (sku, part)
) WITHOUT ROWID;
CREATE INDEX stock_packs_by_part ON stock_packs (part);
CREATE INDEX skus_inactive ON skus (connector, upc) WHERE active = 0;

-- What each channel must be showing (explained, E), and what it is to show (target, T).
CREATE TABLE stock_shown (
    sku         TEXT NOT NULL,
    channel     TEXT NOT NULL,
    location    TEXT NOT NULL,
    item        TEXT NOT NULL,
    grp         TEXT NOT NULL DEFAULT '',
    variant     TEXT NOT NULL DEFAULT '',
    state       TEXT NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'left_alone', 'gone', 'twice',
                                                                 'refused')),
    why         TEXT NOT NULL DEFAULT '',       -- why it is not kept
    explained   INTEGER,                        -- NULL: not anchored yet
    maybe       INTEGER NOT NULL DEFAULT 0,     -- by so many pieces E may be too great, until it is read again
    answered_at TEXT,                           -- the last answer (settling) that set it
    read_at     TEXT,                           -- the last read of the channel that moved it
    dirty       TEXT NOT NULL DEFAULT '',       -- what made it doubtful
    writing     INTEGER REFERENCES stock_writes (id),
    target      INTEGER,
    due         INTEGER,                        -- NULL: nothing to write; else its urgency, smaller first
    due_at      TEXT,
    stale       INTEGER,                        -- read after a stale compare: what is really there
    seen        INTEGER NOT NULL DEFAULT 0,     -- the last read of the whole shelf that showed it (stock_compares)
    faces       INTEGER NOT NULL DEFAULT 1,     -- on how many items of this location that one found the SKU
    agreed_at   TEXT,                           -- when a read last found what was explained
    PRIMARY KEY (sku, channel, location)
) WITHOUT ROWID;
CREATE INDEX stock_shown_due ON stock_shown (channel, due, target, due_at) WHERE due IS NOT NULL AND writing IS NULL;
CREATE INDEX stock_shown_due_of ON stock_shown (channel, grp) WHERE grp <> '' AND due IS NOT NULL;
CREATE INDEX stock_shown_odd ON stock_shown (channel, state, item) WHERE state <> 'kept';
CREATE INDEX stock_shown_by_item ON stock_shown (channel, item, location);
CREATE INDEX stock_shown_writing ON stock_shown (writing) WHERE writing IS NOT NULL;

-- What looks at orders took off a channel's own numbers, kept as long as a number read there may have to be put beside
-- it. `since`: it happened after this (the look before, or the placing).
CREATE TABLE stock_own_changes (
    id       INTEGER PRIMARY KEY,
    channel  TEXT NOT NULL,
    sku      TEXT NOT NULL,
    location TEXT NOT NULL,
    d        INTEGER NOT NULL,
    since    TEXT NOT NULL,
    known_at TEXT NOT NULL
);
CREATE INDEX stock_own_changes_by_sku ON stock_own_changes (sku, channel);
CREATE INDEX stock_own_changes_by_age ON stock_own_changes (known_at);

-- Each call that told a channel numbers: on disk before it was made.
CREATE TABLE stock_writes (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    channel  TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('adjust', 'compare', 'set')),
    state    TEXT NOT NULL CHECK (state IN ('under_way', 'settling', 'answered', 'in_doubt', 'lost',
                                                    'not_sent')),
    made_at  TEXT NOT NULL,
    ended_at TEXT,
    tries    INTEGER NOT NULL DEFAULT 0,
    reason   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX stock_writes_open ON stock_writes (channel, state) WHERE state IN ('under_way', 'settling', 'in_doubt');
CREATE INDEX stock_writes_by_age ON stock_writes (made_at);
-- And why each number was what it was.
CREATE TABLE stock_write_rows (
    write_id  INTEGER NOT NULL REFERENCES stock_writes (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,           -- its place in the call
    sku       TEXT NOT NULL,
    location  TEXT NOT NULL,
    item      TEXT NOT NULL,
    grp       TEXT NOT NULL DEFAULT '',
    number    INTEGER NOT NULL,
    was       INTEGER,
    explained INTEGER,
    doubt     TEXT NOT NULL DEFAULT '',   -- what had made the number before it doubtful
    figure    INTEGER NOT NULL,           -- X: the pool's figures
    figure_as_of TEXT NOT NULL,           -- of the oldest of them
    n         INTEGER NOT NULL,
    buffer    INTEGER NOT NULL,
    demand    TEXT NOT NULL DEFAULT '[]', -- [[channel, order_ref, qty, state], ...], the first fifty
    result    TEXT NOT NULL DEFAULT '',
    reason    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (write_id, seq)
) WITHOUT ROWID;
CREATE INDEX stock_write_rows_by_sku ON stock_write_rows (sku, write_id);

-- Full read-backs of a channel, and what was found to differ.
CREATE TABLE stock_compares (
    id       INTEGER PRIMARY KEY,
    channel  TEXT NOT NULL,
    began_at TEXT NOT NULL,
    ended_at TEXT,
    items    INTEGER NOT NULL DEFAULT 0,
    drifted  INTEGER NOT NULL DEFAULT 0,
    healed   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX stock_compares_by_channel ON stock_compares (channel, id);
CREATE TABLE stock_drifts (
    compare_id INTEGER NOT NULL REFERENCES stock_compares (id) ON DELETE CASCADE,
    sku        TEXT NOT NULL,
    location   TEXT NOT NULL,
    explained  INTEGER NOT NULL,
    actual     INTEGER NOT NULL,
    cause      TEXT NOT NULL,             -- edited, lost_write, wrong_mapping, another_app, second_buffer, unknown
    told       TEXT NOT NULL DEFAULT '',
    healed     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (compare_id, sku, location)
) WITHOUT ROWID;
