-- What does not leave, and what is not paid, found at the cost of what is open.

-- From which warehouse the pieces of a row are to leave.
ALTER TABLE booked_rows ADD COLUMN warehouse TEXT NOT NULL DEFAULT '';

-- Pieces by document, as the shipments say: those that a later one took back, and those of a void one, did not leave.
CREATE VIEW shipped_pieces AS
SELECT shipments.order_id, json_extract(shipments.body, '$.reference') AS reference,
       json_extract(line.value, '$.pieces') AS pieces
FROM shipments, json_each(shipments.body, '$.lines') AS line WHERE NOT json_extract(shipments.body, '$.void');

-- The pieces of each booked document, and how many have left; kept by the rows themselves. `warehouse`: most of them
-- leave from there. `cancelled`: pieces that the ERP will not ship any more.
CREATE TABLE leaving (
    reference TEXT PRIMARY KEY,
    order_id  INTEGER NOT NULL REFERENCES orders (id),
    connector TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    pieces    INTEGER NOT NULL,
    shipped   INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    posted_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX leaving_by_order ON leaving (order_id);
CREATE INDEX leaving_open ON leaving (connector, warehouse, posted_at) WHERE pieces > shipped + cancelled;

CREATE VIEW booked_documents AS
SELECT outbox.reference, outbox.order_id, orders.connector, sum(booked_rows.pieces) AS pieces, outbox.posted_at,
       (SELECT warehouse FROM booked_rows AS rows WHERE rows.reference = outbox.reference
        GROUP BY warehouse ORDER BY sum(pieces) DESC, warehouse LIMIT 1) AS warehouse
FROM outbox JOIN orders ON orders.id = outbox.order_id JOIN booked_rows ON booked_rows.reference = outbox.reference
WHERE outbox.state = 'posted' GROUP BY outbox.id;

CREATE TRIGGER leaving_booked AFTER UPDATE OF state ON outbox WHEN NEW.state = 'posted' AND OLD.state <> 'posted' BEGIN
    INSERT OR IGNORE INTO leaving (reference, order_id, connector, warehouse, pieces, posted_at)
        SELECT reference, order_id, connector, warehouse, pieces, posted_at FROM booked_documents
        WHERE reference = NEW.reference;
    UPDATE leaving SET shipped = (SELECT coalesce(sum(pieces), 0) FROM shipped_pieces
        WHERE shipped_pieces.order_id = leaving.order_id AND shipped_pieces.reference = leaving.reference)
    WHERE reference = NEW.reference;
END;
CREATE TRIGGER leaving_left AFTER INSERT ON shipments BEGIN
    UPDATE leaving SET shipped = (SELECT coalesce(sum(pieces), 0) FROM shipped_pieces
        WHERE shipped_pieces.order_id = leaving.order_id AND shipped_pieces.reference = leaving.reference)
    WHERE order_id = NEW.order_id;
END;
CREATE TRIGGER leaving_left_otherwise AFTER UPDATE OF body ON shipments BEGIN
    UPDATE leaving SET shipped = (SELECT coalesce(sum(pieces), 0) FROM shipped_pieces
        WHERE shipped_pieces.order_id = leaving.order_id AND shipped_pieces.reference = leaving.reference)
    WHERE order_id = NEW.order_id;
END;

INSERT INTO leaving (reference, order_id, connector, warehouse, pieces, posted_at)
    SELECT reference, order_id, connector, warehouse, pieces, posted_at FROM booked_documents;
UPDATE leaving SET shipped = (SELECT coalesce(sum(pieces), 0) FROM shipped_pieces
    WHERE shipped_pieces.order_id = leaving.order_id AND shipped_pieces.reference = leaving.reference);

-- How an order's payment stands in its channel ('' = not known), and until when money that is only authorised is held.
ALTER TABLE orders ADD COLUMN payment TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN authorised_until TEXT;
CREATE INDEX orders_authorised ON orders (connector, authorised_until) WHERE payment = 'authorised';
