-- +goose Up

-- What a partner may ask for, where that differs from what holds for everybody; 0: it does not.
ALTER TABLE partners ADD COLUMN max_batch             BIGINT NOT NULL DEFAULT 0; -- items in one message
ALTER TABLE partners ADD COLUMN items_per_second      BIGINT NOT NULL DEFAULT 0; -- of single calls, small lists and changes
ALTER TABLE partners ADD COLUMN bulk_items_per_second BIGINT NOT NULL DEFAULT 0; -- of payment lists

-- +goose Down
ALTER TABLE partners DROP COLUMN bulk_items_per_second;
ALTER TABLE partners DROP COLUMN items_per_second;
ALTER TABLE partners DROP COLUMN max_batch;
