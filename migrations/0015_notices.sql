-- +goose Up

-- Messages to people about changes of their link, from the change until they are delivered or given up. Written in the
-- transaction of the change. Nothing in it names a person: whom to reach and what happened is sealed, and gone once
-- delivered.
CREATE TABLE notices (
    notice_id  BYTEA  NOT NULL PRIMARY KEY, -- UUIDv7; also the name of the message at the gateway
    channel    TEXT   NOT NULL,             -- email, sms
    state      TEXT   NOT NULL,             -- queued, delivered, given_up
    sealed     BYTEA,                       -- AES-256-GCM: contact, language, what happened; NULL once delivered
    queued_at  BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,             -- not tried before; whoever tries sets it ahead, so that nobody else does
    give_up_at BIGINT NOT NULL,             -- not tried after
    attempts   BIGINT NOT NULL,             -- that failed
    last_error TEXT   NOT NULL,             -- class of the last failure, empty if there was none
    ended_at   BIGINT NOT NULL              -- when it was delivered or given up; 0 before
);
CREATE INDEX notices_due ON notices (channel, due_at) WHERE state = 'queued';
CREATE INDEX notices_ended ON notices (ended_at) WHERE state <> 'queued';

-- +goose Down
DROP TABLE notices;
