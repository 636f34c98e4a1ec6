-- phones_over
-- Drops registrations that have run out without a word, as those do whose gateway has died.
-- KEYS: 1 phones, 2 phone_ends. ARGV: 1 at, 2 most agents. Not preceded by desk.lua.
-- Answer: the agents who have no phone left by it. Each is told to one asker.

local at, gone = tonumber(ARGV[1]), {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local known = redis.call('HGET', KEYS[1], id)
  local phones, first = known and cjson.decode(known) or {}, nil
  for where, phone in pairs(phones) do
    if phone['until'] <= at then
      phones[where] = nil
    else
      first = math.min(first or phone['until'], phone['until'])
    end
  end
  if first then
    redis.call('HSET', KEYS[1], id, cjson.encode(phones))
    redis.call('ZADD', KEYS[2], string.format('%.0f', first), id)
  else
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    gone[#gone + 1] = id
  end
end
return gone
