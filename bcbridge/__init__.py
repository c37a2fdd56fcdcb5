"""bcbridge keeps the apparel ERP CGS BlueCherry in step with the systems a brand sells and ships through."""

__version__ = "0.1.0"
