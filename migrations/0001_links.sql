-- +goose Up

-- The registry itself: one row per linked ID. Nothing in it names a person.
-- All times in this schema are unix milliseconds, which both databases compare and index alike.
CREATE TABLE links (
    id_hash    BYTEA  NOT NULL PRIMARY KEY, -- 16 bytes: keyed hash of the normalised ID
    fa_hash    BYTEA  NOT NULL,             -- 16 bytes: keyed hash of the normalised financial address
    dfsp_code  TEXT   NOT NULL,             -- bank or wallet provider, upper case
    kind       TEXT   NOT NULL,             -- bank, mobile_wallet, email_wallet
    status     TEXT   NOT NULL,             -- active, inactive
    version    BIGINT NOT NULL,             -- 1 when linked, one more at each update; part of the sealed record's context
    sealed     BYTEA  NOT NULL,             -- AES-256-GCM: id, fa, name, phone, additional info
    linked_at  BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX links_fa_hash ON links (fa_hash);

-- Every change of a link, written in the transaction that made it.
CREATE TABLE link_history (
    change_id      BYTEA  NOT NULL PRIMARY KEY, -- UUIDv7
    id_hash        BYTEA  NOT NULL,
    action         TEXT   NOT NULL,             -- link, update, unlink
    version        BIGINT NOT NULL,             -- version of the link after the change; of the removed link for unlink
    changed_at     BIGINT NOT NULL,
    partner        TEXT   NOT NULL,             -- reference id of the partner whose request it was
    by_beneficiary BOOLEAN NOT NULL,            -- the person themself, through the portal
    message_id     TEXT   NOT NULL,
    transaction_id TEXT   NOT NULL,
    reference_id   TEXT   NOT NULL,
    dfsp_code      TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    sealed         BYTEA  NOT NULL              -- the record after the change; the removed one for unlink
);
CREATE INDEX link_history_id ON link_history (id_hash, changed_at);

-- Replay protection: a message_id is accepted once per sender, over all actions and replicas.
CREATE TABLE seen_messages (
    sender_id  TEXT   NOT NULL,
    message_id TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (sender_id, message_id)
);
CREATE INDEX seen_messages_expires ON seen_messages (expires_at);

-- What the keys in keys.dir must reproduce, so that a lost or foreign key stops the start instead of the service.
CREATE TABLE key_checks (
    name        TEXT   NOT NULL PRIMARY KEY,
    check_value BYTEA  NOT NULL,
    created_at  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE key_checks;
DROP TABLE seen_messages;
DROP TABLE link_history;
DROP TABLE links;
