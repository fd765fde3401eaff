-- +goose Up

-- Lists of providers or branches that were read and shown, and wait to be applied. They expire, applied or not.
CREATE TABLE directory_imports (
    id                TEXT    NOT NULL PRIMARY KEY, -- random
    branches          BOOLEAN NOT NULL,             -- of branches; else of providers
    complete          BOOLEAN NOT NULL,             -- what is not in it is taken out of the directory
    columns           TEXT    NOT NULL,             -- those of the optional ones that it has
    state             TEXT    NOT NULL,             -- reading, ready, applied
    directory_version BIGINT  NOT NULL,             -- of the directory it was compared with
    digest            TEXT    NOT NULL,             -- SHA-256 of its rows
    lines             BIGINT  NOT NULL,
    problems          BIGINT  NOT NULL,             -- lines that cannot be used
    added             BIGINT  NOT NULL,
    changed           BIGINT  NOT NULL,
    removed           BIGINT  NOT NULL,
    banks             BIGINT  NOT NULL,             -- added with their branches
    prepared_by_kind  TEXT    NOT NULL,
    prepared_by       TEXT    NOT NULL,
    applied_by_kind   TEXT    NOT NULL,
    applied_by        TEXT    NOT NULL,
    created_at        BIGINT  NOT NULL,
    applied_at        BIGINT,
    expires_at        BIGINT  NOT NULL
);
CREATE INDEX directory_imports_expires ON directory_imports (expires_at);

CREATE TABLE directory_import_rows (
    import_id TEXT    NOT NULL REFERENCES directory_imports (id),
    dfsp_code TEXT    NOT NULL,
    code      TEXT    NOT NULL, -- of the branch; empty in a list of providers
    line      BIGINT  NOT NULL,
    name      TEXT    NOT NULL,
    dfsp_name TEXT    NOT NULL, -- in a list of branches: the bank's, where it says so
    kind      TEXT    NOT NULL,
    strategy  TEXT    NOT NULL,
    town      TEXT    NOT NULL,
    area      TEXT    NOT NULL,
    address   TEXT    NOT NULL,
    active    BOOLEAN NOT NULL,
    PRIMARY KEY (import_id, dfsp_code, code)
);

-- The first of the lines that cannot be used, and why.
CREATE TABLE directory_import_problems (
    import_id TEXT   NOT NULL REFERENCES directory_imports (id),
    line      BIGINT NOT NULL,
    field     TEXT   NOT NULL,
    code      TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    PRIMARY KEY (import_id, line)
);

-- +goose Down
DROP TABLE directory_import_problems;
DROP TABLE directory_import_rows;
DROP TABLE directory_imports;
