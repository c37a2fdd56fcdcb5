-- Booked orders, their two sides, and what each was asked for.

-- What the ERP holds of each document of ours, as it was last seen. `body`: the record (model/sales_order.py).
-- `content`: a digest of what a change of the ERP would change; picking and shipping leave it as it is.
CREATE TABLE held_orders (
    reference TEXT PRIMARY KEY,
    order_id  INTEGER NOT NULL REFERENCES orders (id),
    erp       TEXT NOT NULL,
    body      TEXT NOT NULL,
    content   TEXT NOT NULL,
    seen_at   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_orders_by_order ON held_orders (order_id);

-- What a side was asked for; on disk before each call. `what`: in words, of no customer. `against`: a digest of how
-- both sides stood.
CREATE TABLE asked_changes (
    id       INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    side     TEXT NOT NULL CHECK (side IN ('erp', 'channel')),
    kind     TEXT NOT NULL CHECK (kind IN ('correct', 'cancel', 'reduce', 'mark')),
    what     TEXT NOT NULL,
    against  TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('sending', 'accepted', 'rejected', 'not_sent', 'in_doubt', 'looked_for')),
    made_at  TEXT NOT NULL,
    ended_at TEXT,
    receipt  TEXT NOT NULL DEFAULT '',
    reason   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX asked_changes_by_order ON asked_changes (order_id);
CREATE INDEX asked_changes_open ON asked_changes (state) WHERE state IN ('sending', 'in_doubt');

-- Orders whose sides were compared: how far the ERP has gone, and in what they differ. `agreed`: the digest of the
-- differences that a person said are all right.
CREATE TABLE compared_sides (
    order_id   INTEGER PRIMARY KEY REFERENCES orders (id),
    stage      TEXT NOT NULL,
    problems   TEXT NOT NULL DEFAULT '[]',
    digest     TEXT NOT NULL DEFAULT '',
    since      TEXT NOT NULL,
    checked_at TEXT NOT NULL,
    agreed     TEXT NOT NULL DEFAULT '',
    agreed_by  TEXT NOT NULL DEFAULT '',
    agreed_why TEXT NOT NULL DEFAULT ''
);
CREATE INDEX compared_sides_open ON compared_sides (checked_at) WHERE problems <> '[]';
