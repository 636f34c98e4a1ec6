-- Callers who are called back. `contact` is the one that stands in the line for them; another one for each
-- try. `state` is `pending` (the caller is still on the line), `waiting`, `done`, `failed` or `cancelled`.
CREATE TABLE call_backs (
    contact        TEXT PRIMARY KEY,
    origin         TEXT NOT NULL,
    number         TEXT NOT NULL,
    dialled        TEXT NOT NULL,
    queue          TEXT NOT NULL,
    priority       BIGINT NOT NULL,
    language       TEXT NOT NULL,
    ticket         TEXT NOT NULL,
    enqueued_at    BIGINT NOT NULL,
    due_at         BIGINT NOT NULL,
    tries_left     BIGINT NOT NULL,
    state          TEXT NOT NULL,
    asked_by       TEXT NOT NULL,
    asked_at       BIGINT NOT NULL,
    -- The last offer that a gateway has taken upon itself, and which one did.
    claimed_token  BIGINT NOT NULL,
    claimed_by     TEXT NOT NULL
);
CREATE INDEX call_backs_by_due ON call_backs (state, due_at);
CREATE INDEX call_backs_by_origin ON call_backs (origin);
