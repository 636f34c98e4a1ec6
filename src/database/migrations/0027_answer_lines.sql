-- The line whose backlog the event log was told that a wait is; NULL while it was told nothing.
ALTER TABLE answers_due ADD COLUMN line TEXT;
UPDATE answers_due SET line = came_by WHERE told > 0;
CREATE INDEX answers_due_by_contact ON answers_due (contact) WHERE state = 'due';
