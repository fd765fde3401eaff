-- +goose Up

-- How many links were made, changed and removed on each day, for the administrators' pages: nobody counts links there are
-- millions of. A batch that changes something only adds a row of its own to the parts, so that batches do not wait for each
-- other; a background task sums them up.
CREATE TABLE link_count_parts (
    part_id BYTEA  NOT NULL, -- the change_id of the batch's first change
    action  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    PRIMARY KEY (part_id, action)
);

CREATE TABLE link_counts (
    day     BIGINT NOT NULL, -- of the calendar where the registry runs, in days since 1970-01-01
    action  TEXT   NOT NULL,
    changes BIGINT NOT NULL,
    PRIMARY KEY (day, action)
);

-- Counting what there is takes longer than a statement may otherwise take.
-- +goose StatementBegin
-- only postgres
SET LOCAL statement_timeout = 0;
-- +goose StatementEnd

-- The days before are those of UTC. What no history tells of stands on the first day of all, so that links made less links
-- removed are the links there are.
INSERT INTO link_counts (day, action, changes)
SELECT changed_at / 86400000, action, COUNT(*)
FROM link_history
GROUP BY changed_at / 86400000, action;

INSERT INTO link_counts (day, action, changes)
SELECT 0, 'link', (SELECT COUNT(*) FROM links) - COALESCE(SUM(CASE action WHEN 'link' THEN changes WHEN 'unlink' THEN -changes ELSE 0 END), 0)
FROM link_counts;

-- +goose Down
DROP TABLE link_counts;
DROP TABLE link_count_parts;
