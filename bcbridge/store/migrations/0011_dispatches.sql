-- After the order: what left the ERP's warehouses, and what each channel was told of it.

-- Which line of the channel's order a row of our document stands for: fixed when the document is first written.
CREATE TABLE booked_rows (
    reference TEXT NOT NULL,
    line_seq  INTEGER NOT NULL,
    order_id  INTEGER NOT NULL REFERENCES orders (id),
    line      TEXT NOT NULL,
    upc       TEXT NOT NULL,
    pieces    INTEGER NOT NULL,
    PRIMARY KEY (reference, line_seq)
) WITHOUT ROWID;
CREATE INDEX booked_rows_by_order ON booked_rows (order_id);

-- Shipments of our documents, as the ERP last said. `body`: the record (model/shipment.py).
CREATE TABLE shipments (
    erp        TEXT NOT NULL,
    number     TEXT NOT NULL,
    order_id   INTEGER NOT NULL REFERENCES orders (id),
    body       TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    seen_at    TEXT NOT NULL,
    PRIMARY KEY (erp, number)
) WITHOUT ROWID;
CREATE INDEX shipments_by_order ON shipments (order_id);

-- Calls that tell a channel of pieces that left; on disk before each. `lines`: {line: pieces}.
CREATE TABLE dispatches (
    id       INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    shipment TEXT NOT NULL,
    body     BLOB NOT NULL,
    lines    TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('sending', 'confirmed', 'rejected', 'not_sent', 'in_doubt', 'looked_for')),
    made_at  TEXT NOT NULL,
    ended_at TEXT,
    receipt  TEXT NOT NULL DEFAULT '',
    reason   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX dispatches_by_order ON dispatches (order_id);
CREATE INDEX dispatches_open ON dispatches (state) WHERE state IN ('sending', 'in_doubt');

-- How the dispatches of each order stand: pieces that left, that its channel shows, and that it is still to be told.
CREATE TABLE dispatched (
    order_id   INTEGER PRIMARY KEY REFERENCES orders (id),
    left       INTEGER NOT NULL,
    told       INTEGER NOT NULL,
    owed       INTEGER NOT NULL,
    problems   TEXT NOT NULL DEFAULT '[]',
    since      TEXT NOT NULL,    -- owed or blocked since then; told since then
    checked_at TEXT NOT NULL
);
CREATE INDEX dispatched_open ON dispatched (since) WHERE owed > 0 OR problems <> '[]';
