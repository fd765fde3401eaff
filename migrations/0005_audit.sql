-- +goose Up

-- The audit log: who did what to what, in the order in which it was committed. Nothing in it names a beneficiary.
-- Every row is chained to the one before it and sealed with a key that is not in the database.
CREATE TABLE audit_events (
    seq          BIGINT NOT NULL PRIMARY KEY, -- 1, 2, 3 and so on without a gap
    at           BIGINT NOT NULL,
    actor_kind   TEXT   NOT NULL,             -- staff, partner, beneficiary, command, system
    actor_id     TEXT   NOT NULL,             -- always empty for a beneficiary
    request_id   TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    target       TEXT   NOT NULL,
    before_value TEXT   NOT NULL,
    after_value  TEXT   NOT NULL,
    detail       TEXT   NOT NULL,             -- JSON object of texts
    previous     BYTEA  NOT NULL,             -- hash of the row before; zeros in the first
    hash         BYTEA  NOT NULL,             -- SHA-256 over everything above
    mac          BYTEA  NOT NULL              -- HMAC-SHA256 over hash
);
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_target ON audit_events (target, seq);
CREATE INDEX audit_events_action ON audit_events (action, seq);

-- Where the chain ends, so that rows missing at its end are noticed. Locking this row is what puts writers in order.
CREATE TABLE audit_head (
    one  BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq  BIGINT NOT NULL,
    hash BYTEA  NOT NULL,
    mac  BYTEA  NOT NULL -- HMAC-SHA256 over seq and hash
);
INSERT INTO audit_head (one, seq, hash, mac) VALUES (1, 0, '', '');

-- Append-only also for whoever comes with another program. The two databases write triggers differently.
-- +goose StatementBegin
-- only sqlite
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
-- only sqlite
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
-- only sqlite
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit log is never removed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
-- only sqlite
CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head WHEN NEW.seq <= OLD.seq
BEGIN SELECT RAISE(ABORT, 'the head of the audit log only moves forward'); END;
-- +goose StatementEnd
-- +goose StatementBegin
-- only postgres
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % on % refused', TG_OP, TG_TABLE_NAME;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
-- only postgres
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- +goose StatementEnd
-- +goose StatementBegin
-- only postgres
CREATE TRIGGER audit_head_no_delete BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- +goose StatementEnd
-- +goose StatementBegin
-- only postgres
CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW WHEN (NEW.seq <= OLD.seq) EXECUTE FUNCTION audit_refuse();
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_head;
DROP TABLE audit_events;
-- +goose StatementBegin
-- only postgres
DROP FUNCTION audit_refuse();
-- +goose StatementEnd
