-- Whether a mail's author is who it says: `passed`, `failed` or `unknown`; the evidence is in its article's facts.
ALTER TABLE mails ADD COLUMN authentication TEXT;
