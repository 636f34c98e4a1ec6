-- Gives the dispatcher's lease of a shard up, if the node holds it.
-- KEYS: 1 leader. ARGV: 1 node. Not preceded by desk.lua.
-- Answer: 1 when it was given up, else 0.

if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
