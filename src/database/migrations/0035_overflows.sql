-- Calls that were in several lines are found without reading what else was told of all others.
CREATE INDEX events_of_overflows ON events (contact) WHERE kind = 'overflowed';
