-- {serial} is the engine's own way to number rows; everything else is the same for both.
-- Instants are milliseconds of UTC, durations are milliseconds.

-- Every event once: `body` is its JSON, the other columns are for finding it.
CREATE TABLE events (
    seq     {serial},
    origin  TEXT NOT NULL,
    number  BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    contact TEXT,
    queue   TEXT,
    agent   TEXT,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_id ON events (origin, number);
CREATE INDEX events_by_at ON events (at, seq);
CREATE INDEX events_by_contact ON events (contact, at) WHERE contact IS NOT NULL;

-- One row per contact, folded from its events in the transaction that stores them.
CREATE TABLE contacts (
    id          TEXT PRIMARY KEY,
    changed_at  BIGINT NOT NULL,
    channel     TEXT,
    sender      TEXT,
    recipient   TEXT,
    via         TEXT,
    queue       TEXT,
    agent       TEXT,
    caller      TEXT,
    class       BIGINT,
    outcome     TEXT,
    ticket      BIGINT,
    state       TEXT,
    arrived_at  BIGINT,
    enqueued_at BIGINT,
    answered_at BIGINT,
    ended_at    BIGINT,
    wait_ms     BIGINT,
    talk_ms     BIGINT,
    hold_ms     BIGINT,
    ended_by    TEXT,
    result      TEXT,
    reason      TEXT
);
CREATE INDEX contacts_by_ticket ON contacts (ticket) WHERE ticket IS NOT NULL;
CREATE INDEX contacts_abandoned_by_caller ON contacts (caller, ended_at) WHERE result = 'abandoned';
CREATE INDEX contacts_abandoned_by_sender ON contacts (sender, ended_at) WHERE result = 'abandoned';

-- Numbers handed out, by the name of what they count.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE tickets (
    id         BIGINT PRIMARY KEY,
    number     TEXT NOT NULL UNIQUE,
    digits     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    impact     BIGINT NOT NULL,
    urgency    BIGINT NOT NULL,
    priority   BIGINT NOT NULL,
    status     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    caller     TEXT,
    organisation TEXT,
    sender     TEXT,
    queue      TEXT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX tickets_by_digits ON tickets (digits);
CREATE INDEX tickets_by_caller ON tickets (caller, changed_at);

CREATE TABLE ticket_cis (
    ticket BIGINT NOT NULL,
    ci     TEXT NOT NULL,
    PRIMARY KEY (ticket, ci)
);

-- The primary key is what makes a contact's ticket one.
CREATE TABLE ticket_contacts (
    contact   TEXT PRIMARY KEY,
    ticket    BIGINT NOT NULL,
    rule      TEXT NOT NULL,
    linked_at BIGINT NOT NULL
);
CREATE INDEX ticket_contacts_by_ticket ON ticket_contacts (ticket);

-- What people wrote on a ticket; what a call brought is read from its contact.
CREATE TABLE articles (
    id        {serial},
    ticket    BIGINT NOT NULL,
    channel   TEXT,
    direction TEXT NOT NULL,
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject   TEXT NOT NULL,
    body      TEXT NOT NULL,
    at        BIGINT NOT NULL
);
CREATE INDEX articles_by_ticket ON articles (ticket, at);

CREATE TABLE organisations (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE people (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    organisation TEXT,
    class        BIGINT,
    language     TEXT
);
CREATE INDEX people_by_organisation ON people (organisation);

-- `number` is what the normaliser makes of `given`: E.164 with its plus sign, or a short internal number.
CREATE TABLE phones (
    person    TEXT NOT NULL,
    number    TEXT NOT NULL,
    extension TEXT NOT NULL,
    label     TEXT NOT NULL,
    given     TEXT NOT NULL,
    PRIMARY KEY (person, number, extension)
);
CREATE INDEX phones_by_number ON phones (number);

CREATE TABLE mail_addresses (
    person  TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (person, address)
);
CREATE INDEX mail_addresses_by_address ON mail_addresses (address);

-- Assets and services; each belongs to a person, to an organisation, or to nobody yet.
CREATE TABLE cis (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    person       TEXT,
    organisation TEXT
);
CREATE INDEX cis_by_person ON cis (person) WHERE person IS NOT NULL;
CREATE INDEX cis_by_organisation ON cis (organisation) WHERE organisation IS NOT NULL;

-- Agents made by `ringdown agent`; they add to and override those of the configuration.
CREATE TABLE agents (
    id            TEXT PRIMARY KEY,
    profile       TEXT NOT NULL,
    contact       TEXT,
    log_in        TEXT NOT NULL,
    realm         TEXT,
    ha1           TEXT,
    password_hash TEXT
);

-- Bearer tokens of the API made by `ringdown token`, by the SHA-256 of the token.
CREATE TABLE tokens (
    digest     TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    rights     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Counts up when a part changes that running gateways keep in memory (`cms`, `agents`, `tokens`).
CREATE TABLE revisions (
    part     TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
);
