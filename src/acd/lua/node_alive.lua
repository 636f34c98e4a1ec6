-- A node lives; `expire` ends its calls when it does not say so again in time.
-- KEYS: of the shard (desk.lua); changes nodes.
-- ARGV: at, node, how long it may stay silent in ms.
-- Answer: done. No event.

redis.call('ZADD', NODES, whole(at + tonumber(ARGV[3])), ARGV[2])
return reply(DONE)
