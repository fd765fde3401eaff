-- +goose Up

-- What each partner has spent of each budget, ever, on all replicas: each adds its own and subtracts the others' from
-- its token bucket.
CREATE TABLE partner_budgets (
    partner TEXT   NOT NULL,
    kind    TEXT   NOT NULL, -- single, bulk
    spent   BIGINT NOT NULL, -- items, misses counted at their cost
    PRIMARY KEY (partner, kind)
);

-- +goose Down
DROP TABLE partner_budgets;
