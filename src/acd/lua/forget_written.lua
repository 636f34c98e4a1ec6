-- forget_written
-- Forgets up to where a lost node's events are in the event log, once all of them are; not when the node
-- is back, or has told more since.
-- KEYS: 1 written, 2 nodes. ARGV: 1 node, 2 event number. Not preceded by desk.lua.
-- Answer: 1 when it was forgotten, else 0.

if redis.call('ZSCORE', KEYS[2], ARGV[1]) or redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
