-- Events by day on PostgreSQL, so that a day that is too old goes whole; SQLite keeps one table.
-- {postgres}
-- What is there stays one part, up to the midnight (UTC) to come, and is never read or written anew; whatever comes
-- late for a day of it finds its place there. Days after it are made ahead of time. `events_apart` holds what belongs to no
-- day that was made: events of a clock that is wrong, and the last words on agents and queues of days that went.
ALTER SEQUENCE events_seq_seq OWNED BY NONE;
ALTER TABLE events RENAME TO events_before;
ALTER TABLE events_before DROP CONSTRAINT events_pkey;
ALTER INDEX events_by_at RENAME TO events_before_by_at;
ALTER INDEX events_by_contact RENAME TO events_before_by_contact;
ALTER INDEX events_of_settings RENAME TO events_before_of_settings;
ALTER INDEX events_of_differences RENAME TO events_before_of_differences;
DROP INDEX events_by_id;
CREATE UNIQUE INDEX events_before_by_id ON events_before (origin, number, at);
CREATE INDEX events_before_by_seq ON events_before (seq);

CREATE TABLE events (LIKE events_before INCLUDING DEFAULTS) PARTITION BY RANGE (at);
CREATE UNIQUE INDEX events_by_id ON events (origin, number, at);
CREATE INDEX events_by_seq ON events (seq);
CREATE INDEX events_by_at ON events (at, seq);
CREATE INDEX events_by_contact ON events (contact, at) WHERE contact IS NOT NULL;
CREATE INDEX events_of_settings ON events (kind, agent, queue, seq)
    WHERE kind IN ('agent_status', 'agent_changed', 'agent_reachable', 'agent_removed', 'queue_changed');
CREATE INDEX events_of_differences ON events (at) WHERE kind IN ('ticket_changed', 'symptom_recorded', 'rated',
    'answer_awaited', 'answer_wait_ended');
CREATE TABLE events_apart PARTITION OF events DEFAULT;

DO $$
DECLARE
    midnight BIGINT := ((extract(epoch FROM now())::BIGINT / 86400) + 1) * 86400000;
BEGIN
    WITH ahead AS (DELETE FROM events_before WHERE at >= midnight RETURNING *)
    INSERT INTO events_apart SELECT * FROM ahead;
    EXECUTE format('ALTER TABLE events ATTACH PARTITION events_before FOR VALUES FROM (MINVALUE) TO (%s)', midnight);
END $$;
