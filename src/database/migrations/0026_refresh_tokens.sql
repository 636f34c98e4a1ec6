-- The newest refresh token of an OAuth 2.0 client, by the SHA-256 of who it is and what the configuration says.
CREATE TABLE refresh_tokens (
    name  TEXT PRIMARY KEY,
    token TEXT NOT NULL
);
