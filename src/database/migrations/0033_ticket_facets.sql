-- What a ticket, a symptom and a mark are counted by beside their line: what their contact needed, and whose it was.
-- The skills it needed at once, as a JSON list.
ALTER TABLE contacts ADD COLUMN skills TEXT;
-- Whose answer stands; empty when the contact was given back to its line, NULL of contacts of before.
ALTER TABLE contacts ADD COLUMN answered_by TEXT;
-- When something was learnt that is told of a ticket though nobody changed it.
ALTER TABLE tickets ADD COLUMN learnt_at BIGINT;
-- What the event log was told that a wait for an answer is counted by; it is told the same at its end.
ALTER TABLE answers_due ADD COLUMN facets TEXT;
