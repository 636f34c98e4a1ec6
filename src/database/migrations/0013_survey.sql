-- How well people say it went: one answer for each contact, which is one for each link.
CREATE TABLE satisfaction (
    contact TEXT PRIMARY KEY,
    ticket  BIGINT,
    queue   TEXT,
    agent   TEXT,
    -- 1 (badly) to 5.
    score   BIGINT NOT NULL,
    comment TEXT NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX satisfaction_by_at ON satisfaction (at);
CREATE INDEX satisfaction_by_ticket ON satisfaction (ticket);
