-- One call-back at a time goes back to a call, and one is open for a number that was ordered for a line: `ordered_in`
-- is that line, and NULL where a call is gone back to. Two gateways that take the same order at the same instant are
-- told apart here. Of several that are open for one call the first stands.
UPDATE call_backs SET state = 'cancelled' WHERE state IN ('pending', 'waiting', 'talking') AND EXISTS (
    SELECT 1 FROM call_backs earlier WHERE earlier.origin = call_backs.origin
        AND earlier.state IN ('pending', 'waiting', 'talking')
        AND (earlier.asked_at < call_backs.asked_at
            OR (earlier.asked_at = call_backs.asked_at AND earlier.contact < call_backs.contact)));
ALTER TABLE call_backs ADD COLUMN ordered_in TEXT;
CREATE UNIQUE INDEX call_backs_open_by_origin ON call_backs (origin)
    WHERE state IN ('pending', 'waiting', 'talking');
CREATE UNIQUE INDEX call_backs_open_by_order ON call_backs (number, ordered_in)
    WHERE state IN ('pending', 'waiting', 'talking');
