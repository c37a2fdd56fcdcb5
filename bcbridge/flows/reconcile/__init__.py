"""Each channel compared with the ERP, order by order: what differs, whose it is, and what heals by itself."""
