-- open
-- Opens the desk of a shard: an empty one gets an origin for its events and a floor for its tokens, so
-- that neither is taken for one of a desk that was lost. So does a desk whose server is another process
-- than before: one that took over, or came back, may have lost the last events and offers of the other,
-- and would give their numbers away again.
-- KEYS: 1 meta. ARGV: 1 origin, 2 token floor. Not preceded by desk.lua.
-- Answer: { origin in force, 1 when the desk was empty, else 0 }.

local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local is_new = redis.call('HSETNX', KEYS[1], 'origin', ARGV[1])
if is_new == 1 then
  redis.call('HSET', KEYS[1], 'token', ARGV[2], 'event', 0, 'entered', 0, 'ended', 0, 'server', server)
elseif redis.call('HGET', KEYS[1], 'server') ~= server then
  redis.call('HSET', KEYS[1], 'origin', ARGV[1], 'server', server)
  if tonumber(redis.call('HGET', KEYS[1], 'token')) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'token', ARGV[2])
  end
end
return { redis.call('HGET', KEYS[1], 'origin'), is_new }
