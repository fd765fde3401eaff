-- +goose Up

-- What partners' calls came to, counted by the hour for the administrators' pages. Rows are kept for 30 days.
CREATE TABLE partner_calls (
    application  TEXT   NOT NULL,
    reference_id TEXT   NOT NULL, -- empty: the sender is not a partner, or unknown
    hour         BIGINT NOT NULL, -- when the hour began
    action       TEXT   NOT NULL,
    outcome      TEXT   NOT NULL, -- ok, a fault of the message's header, a reason of refusal, …
    count        BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    PRIMARY KEY (application, reference_id, hour, action, outcome)
);
CREATE INDEX partner_calls_hour ON partner_calls (hour);

-- The last calls of each partner that were refused, with the exact reason and nothing of what was sent.
CREATE TABLE partner_refusals (
    id           TEXT   NOT NULL PRIMARY KEY,
    application  TEXT   NOT NULL,
    reference_id TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    action       TEXT   NOT NULL,
    outcome      TEXT   NOT NULL,
    detail       TEXT   NOT NULL,
    request_id   TEXT   NOT NULL -- as in the log
);
CREATE INDEX partner_refusals_partner ON partner_refusals (application, reference_id, at);

-- +goose Down
DROP TABLE partner_refusals;
DROP TABLE partner_calls;
