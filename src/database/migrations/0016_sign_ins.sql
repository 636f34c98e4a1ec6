-- Who is signed in on the pages, by the SHA-256 of what their cookie holds.
CREATE TABLE sign_ins (
    digest TEXT PRIMARY KEY,
    -- `token`, or `agent` for one who gave the web password.
    kind   TEXT NOT NULL,
    -- Whose.
    name   TEXT NOT NULL,
    -- SHA-256 of that token or password as it is kept: when it is changed or taken away, nobody is signed in by it.
    proof  TEXT NOT NULL,
    until  BIGINT NOT NULL
);
CREATE INDEX sign_ins_by_until ON sign_ins (until);
