-- What a variant of a channel was sold as: kept where the channel tells the SKU of the product as it is now.
CREATE TABLE sku_links (
    connector  TEXT NOT NULL,
    variant    TEXT NOT NULL,
    upc        TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (connector, variant)
) WITHOUT ROWID;
