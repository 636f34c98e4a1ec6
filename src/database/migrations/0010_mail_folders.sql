-- How far each folder of another mail server was taken.
CREATE TABLE mail_folders (
    -- `user@host:port`.
    account  TEXT NOT NULL,
    folder   TEXT NOT NULL,
    -- UIDVALIDITY, and the UID up to which every mail was taken.
    validity BIGINT NOT NULL,
    taken    BIGINT NOT NULL,
    -- The UTC day of the last whole look, in days since 1970-01-01.
    day      BIGINT NOT NULL,
    PRIMARY KEY (account, folder)
);
