-- Calls of which no end is told are found at a start without reading those that are over.
CREATE INDEX contacts_without_end ON contacts (id) WHERE channel = 'voice' AND result IS NULL;
