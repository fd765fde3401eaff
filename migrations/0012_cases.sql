-- +goose Up

-- The texts that people agreed to, each kept once, exactly as it was shown.
CREATE TABLE consent_texts (
    consent_hash BYTEA  NOT NULL PRIMARY KEY, -- SHA-256 of version, language and text
    version      TEXT   NOT NULL,
    language     TEXT   NOT NULL,
    text         TEXT   NOT NULL,
    first_at     BIGINT NOT NULL
);
ALTER TABLE link_history ADD COLUMN consent_hash BYTEA; -- NULL: the change came with none

-- What people reported as not their doing. While a case of an ID is open, the ID's link is not active, whoever links it.
CREATE TABLE link_cases (
    case_id    TEXT   NOT NULL PRIMARY KEY, -- the number told to the person
    id_hash    BYTEA  NOT NULL,
    opened_at  BIGINT NOT NULL,
    settled_at BIGINT,                      -- NULL: open
    outcome    TEXT,                        -- resumed, removed, nothing
    note       BYTEA                        -- why staff settled it so: AES-256-GCM
);
CREATE UNIQUE INDEX link_cases_open ON link_cases (id_hash) WHERE settled_at IS NULL;
CREATE INDEX link_cases_id ON link_cases (id_hash, opened_at);
CREATE INDEX link_cases_settled ON link_cases (settled_at);

-- Which changes a case is about: the first, and what was reported while it was open.
CREATE TABLE link_case_reports (
    case_id     TEXT   NOT NULL REFERENCES link_cases (case_id),
    change_id   BYTEA  NOT NULL REFERENCES link_history (change_id),
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (case_id, change_id)
);

-- +goose Down
DROP TABLE link_case_reports;
DROP TABLE link_cases;
ALTER TABLE link_history DROP COLUMN consent_hash;
DROP TABLE consent_texts;
