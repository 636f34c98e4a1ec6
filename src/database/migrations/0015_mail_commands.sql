-- Files that wait for the answer they go with. Their octets are blobs under the word `upload:` and the attempt,
-- until an answer takes them.
CREATE TABLE uploads (
    -- One try to send a file; the same file may be tried again.
    attempt      TEXT PRIMARY KEY,
    -- What the answer names it by; made of the request's key.
    id           TEXT NOT NULL,
    contact      TEXT NOT NULL,
    filename     TEXT NOT NULL,
    content_type TEXT NOT NULL,
    -- NULL while it is coming in.
    bytes        BIGINT,
    sha256       TEXT,
    at           BIGINT NOT NULL
);
CREATE INDEX uploads_by_contact ON uploads (contact);
CREATE INDEX uploads_by_at ON uploads (at);

-- Answers to requests with an Idempotency-Key: what is sent again is answered again, and not done again, also by
-- a gateway that was started anew and by another one.
CREATE TABLE kept_answers (
    key         TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status      BIGINT NOT NULL,
    body        TEXT NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX kept_answers_by_at ON kept_answers (at);
