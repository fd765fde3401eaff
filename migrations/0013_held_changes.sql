-- +goose Up

-- Changes that people asked for and whose hold has not ended: one at most per ID. Until then the link stays as it is.
CREATE TABLE held_changes (
    id_hash      BYTEA  NOT NULL PRIMARY KEY,
    version      BIGINT NOT NULL, -- of the link it was asked for, which must still be there; 0: nothing was linked
    change_id    BYTEA  NOT NULL, -- of the row of the history that says it was asked for
    asked_at     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL, -- part of the sealed record's context
    partner      TEXT   NOT NULL, -- the portal
    reference_id TEXT   NOT NULL,
    sealed       BYTEA  NOT NULL  -- the record that the link shall have
);
CREATE INDEX held_changes_due ON held_changes (due_at);

-- So that a resolve need not look there: until when a change of the link is held; 0: none is.
ALTER TABLE links ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0;

-- Of a change that is or was held: when it was asked for, and when its hold ends. 0: it was not held.
ALTER TABLE link_history ADD COLUMN asked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE link_history ADD COLUMN due_at   BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE link_history DROP COLUMN due_at;
ALTER TABLE link_history DROP COLUMN asked_at;
ALTER TABLE links DROP COLUMN held_until;
DROP TABLE held_changes;
