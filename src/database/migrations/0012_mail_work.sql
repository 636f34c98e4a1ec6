-- What agents do with mails.

-- What is still to be done in the line for a contact: written in the transaction that it follows from, and
-- taken away by whoever has carried it out. `act` is `complete` (its agent has finished), `hand_over` (to
-- `queue`, kept for `keep_for`) or `leave` (it waits for nothing any more); `token` is the answered offer it
-- holds for.
CREATE TABLE contact_orders (
    contact  TEXT PRIMARY KEY,
    act      TEXT NOT NULL,
    token    BIGINT,
    queue    TEXT,
    keep_for TEXT,
    at       BIGINT NOT NULL
);

-- How a ticket ended, in the words of who ended it; `spam` and `merged` are the desk's own.
ALTER TABLE tickets ADD COLUMN resolution TEXT;
-- The ticket that has taken this one in; what names this one means that.
ALTER TABLE tickets ADD COLUMN merged_into BIGINT;

-- Senders whose mails are put aside, in their plain form.
CREATE TABLE spam_senders (
    address  TEXT PRIMARY KEY,
    given_by TEXT NOT NULL,
    at       BIGINT NOT NULL
);

-- Whose work a token may do, when it is an agent's.
ALTER TABLE tokens ADD COLUMN agent TEXT;

-- The mail behind an article.
CREATE INDEX mails_by_article ON mails (article);
