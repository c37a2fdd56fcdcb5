"""What the bridge watches by the clock: whatever fails by not happening.

orders.py: orders that stand still. dispatches.py: what does not leave or is not told, payments.py: what was not paid.
habit.py: no orders, against all habit. sources.py: who is not read, who no longer
rings, what lapses. machine.py: disk, log and backup of the store. rounds.py lists them; runtime/watchman.py goes round.
"""
