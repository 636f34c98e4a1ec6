-- Who reads along on a ticket, by rule: `address` is the plain form, `email` as it is written to.
CREATE TABLE ticket_watchers (
    ticket  BIGINT NOT NULL,
    address TEXT NOT NULL,
    email   TEXT NOT NULL,
    name    TEXT,
    at      BIGINT NOT NULL,
    PRIMARY KEY (ticket, address)
);
