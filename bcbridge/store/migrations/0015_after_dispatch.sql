-- The tracking numbers that a call told: what the ERP writes otherwise later is corrected in the channel.
ALTER TABLE dispatches ADD COLUMN tracks TEXT NOT NULL DEFAULT '[]';

-- Pieces that left by what the ERP says of the order itself; more than its shipments say: one was not read.
ALTER TABLE leaving ADD COLUMN shipped_in_erp INTEGER NOT NULL DEFAULT 0;
CREATE INDEX leaving_unread ON leaving (connector) WHERE shipped_in_erp > shipped;
