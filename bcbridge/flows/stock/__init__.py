"""What the ERP has, told to every channel: the rule of ADR 0031, one story a file."""
