-- One row for each time a ticket waits for an answer by mail: from its first unanswered mail to the answer.
CREATE TABLE answers_due (
    id           {serial},
    ticket       BIGINT NOT NULL,
    contact      TEXT NOT NULL,
    -- The line the mail came by; of an answered one that of the agent.
    queue        TEXT NOT NULL,
    -- `first` while no agent has answered the ticket, else `next`.
    kind         TEXT NOT NULL,
    since        BIGINT NOT NULL,
    -- NULL when no time is due.
    due_at       BIGINT,
    escalate_at  BIGINT,
    escalated_at BIGINT,
    -- `due`, `answered`, or `dropped` when the ticket ended without an answer.
    state        TEXT NOT NULL,
    answered_at  BIGINT,
    -- How much of the wait lay in opening hours.
    working_ms   BIGINT
);
CREATE UNIQUE INDEX answers_due_once ON answers_due (ticket) WHERE state = 'due';
CREATE INDEX answers_to_escalate ON answers_due (escalate_at) WHERE state = 'due' AND escalated_at IS NULL;
CREATE INDEX answers_by_answer ON answers_due (answered_at) WHERE state = 'answered';

-- What an order to escalate (`escalate`) brings: a priority, and `queue`.
ALTER TABLE contact_orders ADD COLUMN priority BIGINT;
ALTER TABLE contact_orders ADD COLUMN due_at BIGINT;
