-- +goose Up

-- Which certificate a key manager elsewhere was given last for a partner. It uses one at a time, and must never be asked
-- about a partner it does not know. Another key manager, or another application there, starts empty.
CREATE TABLE key_manager_certificates (
    application        TEXT   NOT NULL,
    reference_id       TEXT   NOT NULL,
    holder_url         TEXT   NOT NULL,
    holder_application TEXT   NOT NULL,
    fingerprint        TEXT   NOT NULL REFERENCES certificates (fingerprint),
    held_at            BIGINT NOT NULL,
    PRIMARY KEY (application, reference_id, holder_url, holder_application),
    FOREIGN KEY (application, reference_id) REFERENCES partners (application, reference_id)
);

-- +goose Down
DROP TABLE key_manager_certificates;
