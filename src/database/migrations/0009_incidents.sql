-- Major incidents that people declared of services of the CMS. `queues` and `numbers` are JSON lists, both
-- empty for the whole desk; `audience` is `everybody` or `owners`.
CREATE TABLE incidents (
    id            TEXT PRIMARY KEY,
    service       TEXT NOT NULL,
    service_name  TEXT NOT NULL,
    ticket        BIGINT NOT NULL,
    ticket_number TEXT NOT NULL,
    say           TEXT,
    queues        TEXT NOT NULL,
    numbers       TEXT NOT NULL,
    audience      TEXT NOT NULL,
    reason        TEXT NOT NULL,
    declared_by   TEXT NOT NULL,
    declared_at   BIGINT NOT NULL,
    from_at       BIGINT NOT NULL,
    until_at      BIGINT,
    ended_at      BIGINT,
    ended_by      TEXT
);
-- A service has one at a time.
CREATE UNIQUE INDEX incidents_of_service ON incidents (service) WHERE ended_at IS NULL;
