"""Dispatches: what left the ERP's warehouses, told to the channel that sold it."""
