-- +goose Up

-- Partner systems, by application and reference id (their name in the key manager).
CREATE TABLE partners (
    application  TEXT   NOT NULL,
    reference_id TEXT   NOT NULL, -- matched byte for byte
    folded_id    TEXT   NOT NULL, -- upper case, '-' and '.' as '_': two ids that fold alike cannot both be onboarded
    name         TEXT   NOT NULL,
    status       TEXT   NOT NULL, -- draft, active, suspended
    permissions  TEXT   NOT NULL, -- comma separated: resolve,details,link,update,unlink
    fa_providers TEXT   NOT NULL, -- comma separated DFSP codes; empty: any
    callback_url TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    PRIMARY KEY (application, reference_id),
    UNIQUE (application, folded_id)
);

-- One public key belongs to one partner, for ever: rows are never deleted, and revocation is final.
CREATE TABLE public_keys (
    key_hash     TEXT   NOT NULL PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo, lower-case hex
    application  TEXT   NOT NULL,
    reference_id TEXT   NOT NULL,
    claimed_at   BIGINT NOT NULL,
    revoked_at   BIGINT,
    FOREIGN KEY (application, reference_id) REFERENCES partners (application, reference_id)
);

CREATE TABLE certificates (
    fingerprint  TEXT   NOT NULL PRIMARY KEY, -- SHA-256 of the DER, lower-case hex
    application  TEXT   NOT NULL,
    reference_id TEXT   NOT NULL,
    key_hash     TEXT   NOT NULL REFERENCES public_keys (key_hash),
    algorithm    TEXT   NOT NULL,             -- the only JWS algorithm this certificate verifies
    der          BYTEA  NOT NULL,
    not_before   BIGINT NOT NULL,
    not_after    BIGINT NOT NULL,
    added_at     BIGINT NOT NULL,
    revoked_at   BIGINT,                      -- with its key
    FOREIGN KEY (application, reference_id) REFERENCES partners (application, reference_id)
);
CREATE INDEX certificates_partner ON certificates (application, reference_id);
CREATE INDEX certificates_key ON certificates (key_hash);

-- +goose Down
DROP TABLE certificates;
DROP TABLE public_keys;
DROP TABLE partners;
