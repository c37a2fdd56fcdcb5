"""Changes: an order that is booked, and one of its two sides that is no longer as it was."""
