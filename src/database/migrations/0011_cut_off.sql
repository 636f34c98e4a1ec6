-- Callers whose gateway died are found without reading all contacts.
CREATE INDEX contacts_cut_off ON contacts (arrived_at) WHERE reason = 'gateway_lost';
CREATE INDEX contacts_cut_off_by_caller ON contacts (caller, ended_at) WHERE reason = 'gateway_lost';
CREATE INDEX contacts_cut_off_by_sender ON contacts (sender, ended_at) WHERE reason = 'gateway_lost';
CREATE INDEX call_backs_by_claim ON call_backs (claimed_by) WHERE state = 'waiting';
