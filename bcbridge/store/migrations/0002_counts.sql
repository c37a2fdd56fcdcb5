-- Figures and look-ups that cost the same with ten rows and with ten million finished ones.

-- How many orders stand in each state, kept by the rows themselves.
CREATE TABLE order_counts (
    connector TEXT NOT NULL,
    state     TEXT NOT NULL,
    orders    INTEGER NOT NULL,
    PRIMARY KEY (connector, state)
) WITHOUT ROWID;
INSERT INTO order_counts SELECT connector, state, count(*) FROM orders GROUP BY connector, state;

CREATE TRIGGER orders_counted_in AFTER INSERT ON orders BEGIN
    INSERT INTO order_counts VALUES (NEW.connector, NEW.state, 1)
        ON CONFLICT (connector, state) DO UPDATE SET orders = orders + 1;
END;
CREATE TRIGGER orders_counted_on AFTER UPDATE OF state ON orders WHEN OLD.state <> NEW.state BEGIN
    UPDATE order_counts SET orders = orders - 1 WHERE connector = OLD.connector AND state = OLD.state;
    INSERT INTO order_counts VALUES (NEW.connector, NEW.state, 1)
        ON CONFLICT (connector, state) DO UPDATE SET orders = orders + 1;
END;
CREATE TRIGGER orders_counted_out AFTER DELETE ON orders BEGIN
    UPDATE order_counts SET orders = orders - 1 WHERE connector = OLD.connector AND state = OLD.state;
END;

-- ``show`` finds an order by whatever a person has in hand.
CREATE INDEX orders_by_ref ON orders (ref);
CREATE INDEX outbox_by_reference ON outbox (reference);
CREATE INDEX incidents_by_order ON incidents (order_id) WHERE order_id IS NOT NULL;

-- SQLite uses a partial index only where its condition is repeated word by word; "state = ?" never is. These two are
-- whole, so that every question by state finds its rows at once.
DROP INDEX orders_open;
CREATE INDEX orders_by_state ON orders (state, since);
DROP INDEX outbox_open;
CREATE INDEX outbox_by_state ON outbox (state, sink, id);
