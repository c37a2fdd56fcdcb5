"""Memory of stock: figures, demand, what each channel must be showing, and what it was told. All SQL of the rule."""
