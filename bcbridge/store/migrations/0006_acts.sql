-- Which orders an act of a person touched, and what each was before and after: `show` finds them, the newest last.

CREATE TABLE act_orders (
    order_id INTEGER NOT NULL,
    act_id   INTEGER NOT NULL REFERENCES acts (id) ON DELETE CASCADE,
    before   TEXT NOT NULL,
    after    TEXT NOT NULL,
    PRIMARY KEY (order_id, act_id)
) WITHOUT ROWID;
CREATE INDEX act_orders_by_act ON act_orders (act_id);
