-- The tracking numbers that a call told: what the ERP writes otherwise later is corrected in the channel.
ALTER TABLE dispatches ADD COLUMN tracks TEXT NOT NULL DEFAULT '[]';
