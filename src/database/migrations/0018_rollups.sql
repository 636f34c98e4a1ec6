-- Statistics that were counted already, so that a report need not read the log again.

-- The fold as it stood when every event before an instant was counted, without what is in `rollups`.
CREATE TABLE rollup_steps (
    until_at BIGINT PRIMARY KEY,
    fold     {bytes} NOT NULL
);

-- What is counted for good of the intervals of one UTC day (`day` is its first instant), by the step that
-- counted it. `part` is `intervals` (queues and agents), `facets` (numbers, classes and skills by interval)
-- or `facets_by_day`.
CREATE TABLE rollups (
    id       {serial},
    day      BIGINT NOT NULL,
    part     TEXT NOT NULL,
    until_at BIGINT NOT NULL,
    body     {bytes} NOT NULL
);
CREATE INDEX rollups_by_day ON rollups (day, part);
CREATE INDEX rollups_by_step ON rollups (until_at);

-- One row. Every event up to `seq` is counted or lies after the last step. `token` names the last change, which
-- is how a gateway knows that it was its own; `holder` keeps them up until `held_until`.
CREATE TABLE rollup_state (
    name       TEXT PRIMARY KEY,
    revision   BIGINT NOT NULL,
    token      TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    format     BIGINT NOT NULL,
    holder     TEXT NOT NULL,
    held_until BIGINT NOT NULL,
    -- Events before this instant are no longer in the log; NULL while it is whole.
    log_from   BIGINT
);
INSERT INTO rollup_state (name, revision, token, seq, format, holder, held_until)
VALUES ('statistics', 0, '', 0, 0, '', 0);
