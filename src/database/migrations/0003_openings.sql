-- What people ordered about the opening of lines: one row for each line (the whole desk has no name) and
-- kind (`by_hand`, `emergency`).
CREATE TABLE openings (
    queue    TEXT NOT NULL,
    kind     TEXT NOT NULL,
    is_open  BIGINT NOT NULL,
    say      TEXT,
    reason   TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    until_at BIGINT,
    PRIMARY KEY (queue, kind)
);
