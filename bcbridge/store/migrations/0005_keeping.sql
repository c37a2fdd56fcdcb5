-- What is kept, how long, and what was erased. An index for each class that ends by its age: finding what is to go
-- costs the same with ten rows and with ten million that stay.

ALTER TABLE orders ADD COLUMN erased_at TEXT;  -- a person's data was removed: none of this order is kept again

CREATE INDEX documents_by_age ON documents (asked);
CREATE INDEX outbox_bodies ON outbox (written_at) WHERE body <> x'';  -- emptied, a document of ours leaves it
