-- Erasures of persons. While one is under way `plan` holds whom it is about and by what they are replaced, so that
-- it can be taken up again after a crash; with its end that goes, and nothing tells any more who it was.
CREATE TABLE erasures (
    id       TEXT PRIMARY KEY,
    -- `under_way` or `done`.
    state    TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    done_at  BIGINT,
    plan     TEXT,
    -- JSON: how many contacts, tickets and mails it was about.
    counts   TEXT NOT NULL
);
-- One at a time, so that a person never gets two names.
CREATE UNIQUE INDEX erasures_under_way ON erasures (state) WHERE state = 'under_way';

-- Octets that nothing names any more are found without reading everything that names some.
CREATE INDEX mails_by_raw ON mails (raw_sha256);
CREATE INDEX mails_by_at ON mails (at);
CREATE INDEX attachments_by_sha256 ON attachments (sha256);
CREATE INDEX outbox_by_sha256 ON outbox (sha256);

-- Who somebody is, and what came in long ago, is found without reading all contacts.
CREATE INDEX contacts_by_sender ON contacts (lower(sender));
CREATE INDEX contacts_by_caller ON contacts (caller);
