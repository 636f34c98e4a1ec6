-- Opens the desk of a shard: an empty one gets an origin for its events and a floor for its tokens, so
-- that neither is taken for one of a desk that was lost.
-- KEYS: 1 meta. ARGV: 1 origin, 2 token floor. Not preceded by desk.lua.
-- Answer: { origin in force, 1 when the desk was empty, else 0 }.

local is_new = redis.call('HSETNX', KEYS[1], 'origin', ARGV[1])
if is_new == 1 then
  redis.call('HSET', KEYS[1], 'token', ARGV[2], 'event', 0, 'entered', 0, 'ended', 0)
end
return { redis.call('HGET', KEYS[1], 'origin'), is_new }
