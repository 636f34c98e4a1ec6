-- Sums of several widths, so that a report of months need not add up quarter hours.

-- A row holds cells of `width` milliseconds that begin within a span of UTC whose first instant is `begin_at`: of an
-- hour for quarter hours, of four for hours, of a day for four hours and days. What the latest steps have counted is not
-- cut up yet: `width` 0 is quarter hours within a day. `part` is `intervals` (queues and agents), `facets` (numbers,
-- classes, skills and who answered) or `facets_of_all` (the same of all queues and channels together).
DELETE FROM rollups WHERE part = 'facets_by_day';
DROP INDEX rollups_by_day;
ALTER TABLE rollups RENAME COLUMN day TO begin_at;
ALTER TABLE rollups ADD COLUMN width BIGINT NOT NULL DEFAULT 0;
CREATE INDEX rollups_by_begin ON rollups (part, width, begin_at);
CREATE INDEX rollups_uncut ON rollups (until_at, begin_at) WHERE width = 0;
UPDATE rollup_state SET format = 2 WHERE format = 1;
