-- join
-- A gateway joins the desk with its database. Those that are there write to another one: it must not,
-- for each would have half of every contact. When nobody is there, the desk is its database's.
-- KEYS: 1 meta, 2 nodes. ARGV: 1 at, 2 node, 3 its database, 4 how long the node may stay silent in ms.
-- Not preceded by desk.lua.
-- Answer: 1 when it joined, else 0.

local others = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf')
local known = redis.call('HGET', KEYS[1], 'database')
if known and known ~= ARGV[3] then
  for _, node in ipairs(others) do
    if node ~= ARGV[2] then
      return 0
    end
  end
end
redis.call('HSET', KEYS[1], 'database', ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.0f', ARGV[1] + ARGV[4]), ARGV[2])
return 1
