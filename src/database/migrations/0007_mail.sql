-- Mail: what came in, what is on tickets of it, and what is to be sent.
-- {bytes} is the engine's type for octets.

-- Octets by the SHA-256 of all of them, in pieces of at most 1 MiB, each stored once however many mails
-- carry it.
CREATE TABLE blobs (
    sha256 TEXT NOT NULL,
    place  BIGINT NOT NULL,
    body   {bytes} NOT NULL,
    PRIMARY KEY (sha256, place)
);

ALTER TABLE articles ADD COLUMN contact TEXT;
ALTER TABLE articles ADD COLUMN message_id TEXT;
ALTER TABLE articles ADD COLUMN in_reply_to TEXT;
ALTER TABLE articles ADD COLUMN text_new TEXT;
ALTER TABLE articles ADD COLUMN html TEXT;
-- What kind of sender that is no person wrote it (`auto_reply`, `bounce`, ...); NULL for people.
ALTER TABLE articles ADD COLUMN automatic TEXT;
-- JSON of what is shown beside it: who is believed to have written it and why, and what was strange.
ALTER TABLE articles ADD COLUMN facts TEXT;
CREATE INDEX articles_by_message_id ON articles (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE attachments (
    id           {serial},
    article      BIGINT NOT NULL,
    place        BIGINT NOT NULL,
    filename     TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content_id   TEXT,
    inline       BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    sha256       TEXT NOT NULL
);
CREATE UNIQUE INDEX attachments_by_article ON attachments (article, place);

-- Every mail once: the unique index is what makes a mail that is delivered twice one article.
CREATE TABLE mails (
    id            {serial},
    mailbox       TEXT NOT NULL,
    message_id    TEXT NOT NULL,
    body_sha256   TEXT NOT NULL,
    raw_sha256    TEXT NOT NULL,
    bytes         BIGINT NOT NULL,
    envelope_from TEXT NOT NULL,
    envelope_to   TEXT NOT NULL,
    -- The address in From, or that of the envelope.
    sender        TEXT NOT NULL,
    peer          TEXT NOT NULL,
    ticket        BIGINT NOT NULL,
    article       BIGINT NOT NULL,
    contact       TEXT,
    -- The node that brings its contact to the desk; NULL until one has taken that on.
    node          TEXT,
    at            BIGINT NOT NULL
);
CREATE UNIQUE INDEX mails_once ON mails (mailbox, message_id, body_sha256);
CREATE INDEX mails_by_contact ON mails (contact) WHERE contact IS NOT NULL;
CREATE INDEX mails_to_bring_in ON mails (id) WHERE node IS NULL AND contact IS NOT NULL;

-- Contacts of mails that are in no line yet, in the order they came.
CREATE INDEX contacts_in_no_line ON contacts (queue, id)
    WHERE channel = 'email' AND ended_at IS NULL AND enqueued_at IS NULL;

-- Secrets that all gateways of a desk share, by what they are for; in hexadecimal.
CREATE TABLE secrets (
    name   TEXT PRIMARY KEY,
    secret TEXT NOT NULL
);

-- Who takes part in a ticket by mail, each address in its plain form.
CREATE TABLE ticket_addresses (
    ticket  BIGINT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (ticket, address)
);

-- A ticket that followed another: a reply to one that is over, or a stranger's mail that named it.
CREATE TABLE ticket_links (
    ticket BIGINT PRIMARY KEY,
    origin BIGINT NOT NULL,
    why    TEXT NOT NULL
);
