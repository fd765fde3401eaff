-- +goose Up

-- Authorities whose certificates partners may have. A row that is removed takes effect within seconds.
CREATE TABLE trust_anchors (
    application TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL, -- SHA-256 of the DER, lower-case hex
    name        TEXT   NOT NULL, -- for people
    der         BYTEA  NOT NULL,
    not_before  BIGINT NOT NULL,
    not_after   BIGINT NOT NULL,
    added_at    BIGINT NOT NULL,
    PRIMARY KEY (application, fingerprint)
);

ALTER TABLE certificates ADD COLUMN chain BYTEA;     -- certificates of its issuers as they came with it, DER one after the other
ALTER TABLE certificates ADD COLUMN valid_to BIGINT; -- end of the overlap with its successor

-- Where two persons are wanted: what one has prepared and another has yet to approve, or has approved.
CREATE TABLE prepared_changes (
    id               TEXT   NOT NULL PRIMARY KEY, -- random
    application      TEXT   NOT NULL,
    reference_id     TEXT   NOT NULL,
    action           TEXT   NOT NULL,             -- activate, permit, certificate.add, details
    content          BYTEA  NOT NULL,             -- JSON: what will be done
    partner_state    TEXT   NOT NULL,             -- digest of the partner it was prepared for: approval is of that and nothing else
    prepared_by_kind TEXT   NOT NULL,
    prepared_by      TEXT   NOT NULL,
    prepared_at      BIGINT NOT NULL,
    outcome          TEXT   NOT NULL,             -- pending, approved, withdrawn
    decided_by_kind  TEXT   NOT NULL,
    decided_by       TEXT   NOT NULL,
    decided_at       BIGINT,
    FOREIGN KEY (application, reference_id) REFERENCES partners (application, reference_id)
);
CREATE INDEX prepared_changes_partner ON prepared_changes (application, reference_id, outcome);

-- +goose Down
DROP TABLE prepared_changes;
ALTER TABLE certificates DROP COLUMN valid_to;
ALTER TABLE certificates DROP COLUMN chain;
DROP TABLE trust_anchors;
