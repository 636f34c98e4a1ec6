-- phone
-- What one gateway knows of where an agent's phone is; whatever has run out is dropped on the way.
-- KEYS: 1 phones, 2 phone_ends. ARGV: 1 at, 2 agent, 3 node, 4 where it is, JSON; empty when it is there no
-- more. Not preceded by desk.lua.
-- Answer: JSON, an object of node -> where the phone is: all that stand after this.

local at, id, node, place = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local known = redis.call('HGET', KEYS[1], id)
local phones = known and cjson.decode(known) or {}
if place == '' then
  phones[node] = nil
else
  phones[node] = cjson.decode(place)
end
local first = nil
for where, phone in pairs(phones) do
  if phone['until'] <= at then
    phones[where] = nil
  else
    first = math.min(first or phone['until'], phone['until'])
  end
end
local text = cjson.encode(phones)
if first then
  redis.call('HSET', KEYS[1], id, text)
  redis.call('ZADD', KEYS[2], string.format('%.0f', first), id)
else
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
return text
