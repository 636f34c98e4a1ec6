-- Contacts that a period lost are counted and listed without reading those it did not lose.
CREATE INDEX contacts_lost ON contacts (id, arrived_at, queue, channel)
    WHERE result IN ('abandoned', 'blocked', 'failed');
