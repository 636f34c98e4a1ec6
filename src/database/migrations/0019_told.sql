-- What the event log was told of tickets, symptoms and ratings, so that a change is told as a difference.
ALTER TABLE tickets ADD COLUMN told_at BIGINT;
ALTER TABLE tickets ADD COLUMN facts TEXT;
-- Opened for a contact in the first line (1) or not (0).
ALTER TABLE tickets ADD COLUMN eligible BIGINT NOT NULL DEFAULT 0;
-- Within which time it is to be solved, by its priority.
ALTER TABLE tickets ADD COLUMN target_ms BIGINT;
-- When it was first brought to another line than the first.
ALTER TABLE tickets ADD COLUMN escalated_at BIGINT;
-- When it was solved by the first line at the first contact; the same caller may come again after that.
ALTER TABLE tickets ADD COLUMN first_solved_at BIGINT;
ALTER TABLE tickets ADD COLUMN came_again BIGINT NOT NULL DEFAULT 0;
-- The symptom, with what callers put up with: {"symptom", "tolerable_ms": [by class], "service_level_ms"}.
ALTER TABLE tickets ADD COLUMN symptom TEXT;
-- What was told of a contact's symptom.
ALTER TABLE contacts ADD COLUMN symptom TEXT;
ALTER TABLE satisfaction ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
-- What is older than the telling counts from its next change on.
UPDATE tickets SET told_at = changed_at;
UPDATE satisfaction SET told = 1;
CREATE INDEX tickets_untold ON tickets (id) WHERE told_at IS NULL OR told_at < changed_at;
CREATE INDEX tickets_solved_at_once ON tickets (caller, first_solved_at) WHERE first_solved_at IS NOT NULL;
CREATE INDEX satisfaction_untold ON satisfaction (contact) WHERE told = 0;
CREATE INDEX events_of_differences ON events (at) WHERE kind IN ('ticket_changed', 'symptom_recorded', 'rated');
