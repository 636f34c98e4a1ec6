-- What supervisors changed of agents while the desk ran, as JSON; it comes over the agent's profile.
CREATE TABLE agent_changes (
    id     TEXT PRIMARY KEY,
    change TEXT NOT NULL
);
