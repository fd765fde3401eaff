-- +goose Up

-- Bulk imports of links, and which of their chunks are in: a chunk is marked in the transaction that stores it, so that an
-- import which was interrupted goes on where it stopped.
CREATE TABLE link_imports (
    id          TEXT   NOT NULL PRIMARY KEY, -- SHA-256 of the file's content and of how it is read, lower-case hex
    chunk_size  BIGINT NOT NULL,             -- lines; an import goes on with the size that it began with
    started_at  BIGINT NOT NULL,
    finished_at BIGINT                       -- NULL: not finished
);

CREATE TABLE link_import_chunks (
    import_id TEXT   NOT NULL REFERENCES link_imports (id),
    chunk     BIGINT NOT NULL, -- 0, 1, 2 and so on, in the order of the file
    added     BIGINT NOT NULL,
    replaced  BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    refused   BIGINT NOT NULL,
    PRIMARY KEY (import_id, chunk)
);

-- +goose Down
DROP TABLE link_import_chunks;
DROP TABLE link_imports;
