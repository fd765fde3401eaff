-- +goose Up

-- Whose details the answer to a message showed: 16 bytes a person, their id_hash. It is written with the message id, in
-- one row, before the answer is sent. A background task moves it into lookups, and leaves NULL.
ALTER TABLE seen_messages ADD COLUMN revealed BYTEA;
ALTER TABLE seen_messages ADD COLUMN revealed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX seen_messages_revealed ON seen_messages (revealed_at) WHERE revealed IS NOT NULL;

-- Keyed hashes do not compress: no time is lost with trying.
-- +goose StatementBegin
-- only postgres
ALTER TABLE seen_messages ALTER COLUMN revealed SET STORAGE EXTERNAL;
-- +goose StatementEnd

-- Which partner saw a person's details on which day, for the person's own page.
CREATE TABLE lookups (
    id_hash  BYTEA  NOT NULL,
    day      BIGINT NOT NULL, -- of the calendar where the registry runs, in days since 1970-01-01
    partner  TEXT   NOT NULL, -- reference id
    count    BIGINT NOT NULL, -- messages
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    PRIMARY KEY (id_hash, day, partner)
);
CREATE INDEX lookups_day ON lookups (day);

-- +goose Down
DROP TABLE lookups;
DROP INDEX seen_messages_revealed;
ALTER TABLE seen_messages DROP COLUMN revealed_at;
ALTER TABLE seen_messages DROP COLUMN revealed;
