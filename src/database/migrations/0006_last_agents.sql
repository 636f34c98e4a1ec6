-- Who helped a caller last is found without reading all their contacts.
CREATE INDEX contacts_answered_by_caller ON contacts (caller, ended_at) WHERE result = 'answered';
CREATE INDEX contacts_answered_by_sender ON contacts (sender, ended_at) WHERE result = 'answered';
