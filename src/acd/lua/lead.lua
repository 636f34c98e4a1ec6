-- Takes or keeps the dispatcher's lease of a shard.
-- KEYS: 1 leader (expires by itself). ARGV: 1 node, 2 lease in ms. Not preceded by desk.lua.
-- Answer: 1 when the node leads, else 0.

local leader = redis.call('GET', KEYS[1])
if leader == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if leader then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
