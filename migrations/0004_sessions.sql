-- +goose Up

-- Server-side sessions. The token is stored hashed and the data sealed, for they hold who is logged in.
-- A row is marked revoked at logout, not deleted, so that a slow request cannot bring the session back.
CREATE TABLE sessions (
    token_hash BYTEA   NOT NULL PRIMARY KEY,
    sealed     BYTEA   NOT NULL,
    expires_at BIGINT  NOT NULL,
    revoked    BOOLEAN NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
