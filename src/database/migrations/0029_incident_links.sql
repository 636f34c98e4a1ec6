-- A contact that was linked to the ticket of a major incident: which one, whose mail opened the ticket, when, and
-- whether the event log was told of it. Links of another kind have nothing to tell.
ALTER TABLE ticket_links ADD COLUMN incident TEXT;
ALTER TABLE ticket_links ADD COLUMN contact TEXT;
ALTER TABLE ticket_links ADD COLUMN linked_at BIGINT;
ALTER TABLE ticket_links ADD COLUMN told BIGINT NOT NULL DEFAULT 1;
CREATE INDEX ticket_links_untold ON ticket_links (ticket) WHERE told = 0;
CREATE INDEX contacts_of_mails_unanswered ON contacts (id)
    WHERE channel = 'email' AND ended_at IS NULL AND answered_at IS NULL;
