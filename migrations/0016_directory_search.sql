-- +goose Up

-- What people search is kept in memory by every process and built from the rows, so no row holds a text for it.
ALTER TABLE dfsps DROP COLUMN search_text;
ALTER TABLE branches DROP COLUMN search_text;

ALTER TABLE dfsps ADD COLUMN strategy TEXT NOT NULL DEFAULT ''; -- how its addresses are made in the portal; empty: as is usual for its kind
ALTER TABLE branches ADD COLUMN area    TEXT NOT NULL DEFAULT ''; -- district and state: searched and shown
ALTER TABLE branches ADD COLUMN address TEXT NOT NULL DEFAULT ''; -- street: searched, and shown in small type

-- What the account numbers of a strategy look like. With zeros and empty texts: 4 to 34 letters and digits.
ALTER TABLE strategies ADD COLUMN is_default     BOOLEAN NOT NULL DEFAULT FALSE; -- for providers that name no strategy
ALTER TABLE strategies ADD COLUMN number_min     BIGINT  NOT NULL DEFAULT 0;     -- characters, spaces and dashes not counted
ALTER TABLE strategies ADD COLUMN number_max     BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE strategies ADD COLUMN number_chars   TEXT    NOT NULL DEFAULT '';    -- digits, or empty: letters and digits
ALTER TABLE strategies ADD COLUMN number_check   TEXT    NOT NULL DEFAULT '';    -- luhn, mod97, mod11, verhoeff, iban; of a phone: mobile
ALTER TABLE strategies ADD COLUMN number_country TEXT    NOT NULL DEFAULT '';    -- of an IBAN: ISO 3166 code; empty: any country
ALTER TABLE strategies ADD COLUMN number_groups  TEXT    NOT NULL DEFAULT '';    -- how it is printed, such as '4 4 3'
ALTER TABLE strategies ADD COLUMN number_example TEXT    NOT NULL DEFAULT '';
UPDATE strategies SET is_default = TRUE WHERE name IN ('bank', 'mobile wallet', 'email wallet');
CREATE UNIQUE INDEX strategies_default ON strategies (kind) WHERE is_default;

-- Counts the changes of providers and branches, so that every replica notices them.
CREATE TABLE directory_version (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO directory_version (one, version) VALUES (1, 1);

-- +goose Down
DROP TABLE directory_version;
DROP INDEX strategies_default;
ALTER TABLE strategies DROP COLUMN number_example;
ALTER TABLE strategies DROP COLUMN number_groups;
ALTER TABLE strategies DROP COLUMN number_country;
ALTER TABLE strategies DROP COLUMN number_check;
ALTER TABLE strategies DROP COLUMN number_chars;
ALTER TABLE strategies DROP COLUMN number_max;
ALTER TABLE strategies DROP COLUMN number_min;
ALTER TABLE strategies DROP COLUMN is_default;
ALTER TABLE branches DROP COLUMN address;
ALTER TABLE branches DROP COLUMN area;
ALTER TABLE dfsps DROP COLUMN strategy;
ALTER TABLE branches ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
ALTER TABLE dfsps ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
