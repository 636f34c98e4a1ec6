-- An order that is sent again under its key is the same call-back. Where a line did not take one that is due,
-- `refusals` counts how often, and it is not asked again before `retry_at`. A call-back whose people talk is
-- `talking`.
ALTER TABLE call_backs ADD COLUMN order_key TEXT;
ALTER TABLE call_backs ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE call_backs ADD COLUMN retry_at BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX call_backs_by_order_key ON call_backs (order_key);
