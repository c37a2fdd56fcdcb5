"""What all simulated shops share: carts and how they are drawn, the shopper, the doors by hand, the courier.

A vendor's package brings its own: what an order of a cart looks like, its API, what its webhooks say and what follows
when one fails. `shop.Shop` and `courier.Vendor` are what it has to offer; `bcbridge.sandbox.shopify` is one.
"""
