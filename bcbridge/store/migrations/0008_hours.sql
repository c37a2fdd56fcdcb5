-- How many orders each channel brought in each hour, by when they were placed: what is usual, and since when there was
-- none. Kept by the rows themselves, like order_counts.

CREATE TABLE order_hours (
    connector TEXT NOT NULL,
    hour      TEXT NOT NULL,     -- 'YYYY-MM-DDTHH', UTC
    orders    INTEGER NOT NULL,
    last_at   TEXT NOT NULL,
    PRIMARY KEY (connector, hour)
) WITHOUT ROWID;
INSERT INTO order_hours
    SELECT connector, substr(coalesce(created_at, first_seen), 1, 13), count(*), max(coalesce(created_at, first_seen))
    FROM orders GROUP BY 1, 2;

CREATE TRIGGER orders_by_hour AFTER INSERT ON orders BEGIN
    INSERT INTO order_hours VALUES (
            NEW.connector, substr(coalesce(NEW.created_at, NEW.first_seen), 1, 13), 1,
            coalesce(NEW.created_at, NEW.first_seen))
        ON CONFLICT (connector, hour) DO UPDATE SET orders = orders + 1, last_at = max(last_at, excluded.last_at);
END;
