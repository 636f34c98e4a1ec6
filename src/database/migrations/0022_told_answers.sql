-- What the event log was told of a wait for an answer: nothing (0), that it began (1), that it is over (2).
ALTER TABLE answers_due ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
-- The line the mail came by, and who answered.
ALTER TABLE answers_due ADD COLUMN came_by TEXT;
ALTER TABLE answers_due ADD COLUMN agent TEXT;
UPDATE answers_due SET came_by = queue;
-- What was over before the telling is not told.
UPDATE answers_due SET told = 2 WHERE state <> 'due';
CREATE INDEX answers_untold ON answers_due (id) WHERE told = 0 OR (told = 1 AND state <> 'due');
DROP INDEX events_of_differences;
CREATE INDEX events_of_differences ON events (at) WHERE kind IN ('ticket_changed', 'symptom_recorded', 'rated',
    'answer_awaited', 'answer_wait_ended');
