-- Sets the rules of a queue.
-- KEYS: of the shard (desk.lua); changes queues.
-- ARGV: at, queue, rules JSON.
-- Answer: done. Event: queue_changed, unless the rules are the same.

local queue, rules = ARGV[2], ARGV[3]
if redis.call('HGET', QUEUES, queue) ~= rules then
  emit('queue_changed', { queue = queue }, nil, '"rules":' .. rules)
  redis.call('HSET', QUEUES, queue, rules)
end
return reply(DONE)
