"""BlueCherry, simulated: the ERP's API gateway, its masters, its orders, and the job that posts them.

Written from contracts/bluecherry/NOTES.md (mostly its 7.9). Where the notes say *assumed*, so does this.
"""

from bcbridge.sandbox.bluecherry.server import serving
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings

__all__ = ["BlueCherrySettings", "serving"]
