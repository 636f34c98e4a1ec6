-- Puts a fact that no verb made (an arrival, a media report) in order with the others.
-- KEYS: of the shard (desk.lua); changes meta, events.
-- ARGV: at, event JSON without an id.
-- Answer: done. Event: that one.

local number = redis.call('HINCRBY', META, 'event', 1)
local id = cjson.encode({ origin = origin, number = number })
local text = '{"id":' .. id .. ',' .. string.sub(ARGV[2], 2)
redis.call('XADD', EVENTS, 'MAXLEN', '~', EVENTS_MAX, whole(number) .. '-0', 'e', text)
emitted[1] = text
return reply(DONE)
