-- The tracking numbers that a call told: what the ERP writes otherwise later is corrected in the channel.
ALTER TABLE dispatches ADD COLUMN tracks TEXT NOT NULL DEFAULT '[]';

-- Pieces that left by what the ERP says of the order itself; more than its shipments say: one was not read.
ALTER TABLE leaving ADD COLUMN shipped_in_erp INTEGER NOT NULL DEFAULT 0;
CREATE INDEX leaving_unread ON leaving (connector) WHERE shipped_in_erp > shipped;

-- Pieces that left and that shops show, by channel: kept by the rows themselves, as order_counts is.
CREATE TABLE dispatch_counts (
    connector TEXT PRIMARY KEY,
    left      INTEGER NOT NULL DEFAULT 0,
    told      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TRIGGER dispatched_counted AFTER INSERT ON dispatched BEGIN
    INSERT INTO dispatch_counts (connector, left, told)
        SELECT connector, NEW.left, NEW.told FROM orders WHERE id = NEW.order_id
        ON CONFLICT (connector) DO UPDATE SET left = left + excluded.left, told = told + excluded.told;
END;
CREATE TRIGGER dispatched_counted_anew AFTER UPDATE ON dispatched BEGIN
    UPDATE dispatch_counts SET left = left + NEW.left - OLD.left, told = told + NEW.told - OLD.told
    WHERE connector = (SELECT connector FROM orders WHERE id = NEW.order_id);
END;
INSERT INTO dispatch_counts (connector, left, told)
    SELECT orders.connector, sum(dispatched.left), sum(dispatched.told)
    FROM dispatched JOIN orders ON orders.id = dispatched.order_id GROUP BY orders.connector;

-- Calls whose bytes are still kept, and shipments whose numbers are: they go with the order's documents.
CREATE INDEX dispatches_bodies ON dispatches (made_at) WHERE body <> x'';
CREATE INDEX shipments_tracks ON shipments (seen_at) WHERE json_extract(body, '$.tracks') <> '[]';

-- How many pieces of a row its channel wanted when it was booked; NULL: all of them.
ALTER TABLE booked_rows ADD COLUMN wanted INTEGER;

-- A call is known by its bytes also when these are gone.
ALTER TABLE dispatches ADD COLUMN body_hash TEXT NOT NULL DEFAULT '';

-- The problems of dispatches that a person said are all right, as a digest.
ALTER TABLE dispatched ADD COLUMN agreed TEXT NOT NULL DEFAULT '';

-- When the shipments of a document were last asked for by its reference.
ALTER TABLE leaving ADD COLUMN asked_at TEXT NOT NULL DEFAULT '';
DROP INDEX leaving_unread;
CREATE INDEX leaving_unread ON leaving (asked_at) WHERE shipped_in_erp > shipped;
