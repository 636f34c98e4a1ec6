-- Why somebody reads along (`rule`, `copy` or `by_hand`), and who at the desk said so.
ALTER TABLE ticket_watchers ADD COLUMN why TEXT NOT NULL DEFAULT 'rule';
ALTER TABLE ticket_watchers ADD COLUMN given_by TEXT;
-- Since when the desk wants them to no more; a rule does not bring them back.
ALTER TABLE ticket_watchers ADD COLUMN left_at BIGINT;
