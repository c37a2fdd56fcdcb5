-- What each variant of a channel was first sold as: a product that is renamed later is known again.
CREATE TABLE sku_links (
    connector  TEXT NOT NULL,
    variant    TEXT NOT NULL,
    upc        TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (connector, variant)
) WITHOUT ROWID;
