-- phones_lost
-- Drops the registrations that only a lost gateway's own flows led to.
-- KEYS: 1 phones, 2 phone_ends. ARGV: 1 the lost node. Not preceded by desk.lua.
-- Answer: the agents who have no phone left by it. Each is told to one asker.

local node, gone = ARGV[1], {}
local all = redis.call('HGETALL', KEYS[1])
for place = 1, #all, 2 do
  local id, phones = all[place], cjson.decode(all[place + 1])
  if phones[node] and phones[node].way == 'edge' then
    phones[node] = nil
    if next(phones) then
      -- The end of the first may be told too early now, and then nothing is dropped.
      redis.call('HSET', KEYS[1], id, cjson.encode(phones))
    else
      redis.call('HDEL', KEYS[1], id)
      redis.call('ZREM', KEYS[2], id)
      gone[#gone + 1] = id
    end
  end
end
return gone
