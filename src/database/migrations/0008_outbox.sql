-- Mail to be sent, and what came of it: one row for each recipient of a letter, whose octets are a blob.
CREATE TABLE outbox (
    id            {serial},
    message_id    TEXT NOT NULL,
    kind          TEXT NOT NULL,
    ticket        BIGINT NOT NULL,
    mailbox       TEXT NOT NULL,
    return_path   TEXT NOT NULL,
    recipient     TEXT NOT NULL,
    -- The recipient's address in its plain form.
    recipient_key TEXT NOT NULL,
    sha256        TEXT NOT NULL,
    -- `waiting`, `sending`, `sent`, `failed`, or `unsure` when a gateway ended while it was sending.
    state         TEXT NOT NULL,
    node          TEXT,
    attempts      BIGINT NOT NULL,
    -- When it is tried next, or when its state last changed.
    next_at       BIGINT NOT NULL,
    -- What the smarthost said last.
    reply         TEXT,
    at            BIGINT NOT NULL
);
CREATE UNIQUE INDEX outbox_once ON outbox (message_id, recipient);
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting';
CREATE INDEX outbox_being_sent ON outbox (node) WHERE state = 'sending';
CREATE INDEX outbox_by_recipient ON outbox (recipient_key, at);

-- Addresses that refused a mail for good, in their plain form: nothing is sent there by itself.
CREATE TABLE bad_addresses (
    address TEXT PRIMARY KEY,
    why     TEXT NOT NULL,
    at      BIGINT NOT NULL
);
