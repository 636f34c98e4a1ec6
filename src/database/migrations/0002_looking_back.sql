-- What is looked at long after it happened.

-- The last word on every agent and queue before a period is found without reading what lies between.
CREATE INDEX events_of_settings ON events (kind, agent, queue, seq)
    WHERE kind IN ('agent_status', 'agent_changed', 'agent_reachable', 'agent_removed', 'queue_changed');

-- SIP messages of calls that are over, one row per contact: `body` is the JSON of the ladder.
CREATE TABLE sip_traces (
    contact TEXT PRIMARY KEY,
    at      BIGINT NOT NULL,
    body    TEXT NOT NULL
);
CREATE INDEX sip_traces_by_at ON sip_traces (at);
