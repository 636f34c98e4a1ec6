-- Sets the rules of a queue.
-- KEYS: of the shard (desk.lua); changes queues, overflows.
-- ARGV: at, queue, rules JSON.
-- Answer: done. Event: queue_changed, unless the rules are the same.

local queue, rules = ARGV[2], ARGV[3]
-- The overflow steps of rules, as text.
local function overflow_text(text)
  return cjson.encode(text and cjson.decode(text).overflow or {})
end

local before = redis.call('HGET', QUEUES, queue)
if before ~= rules then
  emit('queue_changed', { queue = queue }, nil, '"rules":' .. rules)
  redis.call('HSET', QUEUES, queue, rules)
  if overflow_text(before) ~= overflow_text(rules) then
    local all, decoded = redis.call('HGETALL', CONTACTS), cjson.decode(rules)
    for place = 1, #all, 2 do
      local record = cjson.decode(all[place + 1])
      local here = cjson.decode(redis.call('HGET', PLACES, all[place]))
      if record.queue == queue and here.place == 'waiting' then
        plan_overflow(all[place], record, decoded)
      end
    end
  end
end
return reply(DONE)
