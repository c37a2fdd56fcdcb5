"""The outside, simulated: one small real server per system, with a memory and bad manners.

Written from the vendors' contracts alone; nothing else of bcbridge is imported here, so that two
misreadings of a contract cannot agree with each other.
"""
