-- +goose Up

-- Whose session it is, so that a login provider can end it (OpenID Connect Back-Channel Logout). Both are keyed hashes,
-- and NULL where nobody is logged in or the provider named no session of its own.
ALTER TABLE sessions ADD COLUMN subject_hash BYTEA; -- 16 bytes: login provider and subject
ALTER TABLE sessions ADD COLUMN sid_hash BYTEA;     -- 16 bytes: login provider and its session id
CREATE INDEX sessions_subject ON sessions (subject_hash);
CREATE INDEX sessions_sid ON sessions (sid_hash);

-- No logout could find the sessions there are: their owners log in again, once.
UPDATE sessions SET revoked = TRUE;

-- Replay protection: a logout token is accepted once, over all replicas.
CREATE TABLE logout_tokens (
    token_hash BYTEA  NOT NULL PRIMARY KEY, -- 16 bytes: keyed hash of login provider and jti
    expires_at BIGINT NOT NULL
);
CREATE INDEX logout_tokens_expires ON logout_tokens (expires_at);

-- +goose Down
DROP TABLE logout_tokens;
DROP INDEX sessions_sid;
DROP INDEX sessions_subject;
ALTER TABLE sessions DROP COLUMN sid_hash;
ALTER TABLE sessions DROP COLUMN subject_hash;
