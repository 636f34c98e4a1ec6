-- The contact leaves the line unanswered, to somewhere else.
-- KEYS: of the shard (desk.lua); changes contacts and what holds them, states, ended, meta.
-- ARGV: at, contact, where to.
-- Answer: done (also when it flowed out before), or refused unknown_contact, not_waiting.
-- Events: overflowed, agent_status (if one was chosen), ready (if somebody rang).

local id = ARGV[2]
if redis.call('HGET', ENDED, id) == 'flowed_out' then
  return reply(DONE)
end
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_waiting')
end
if contact.place.place == 'active' then
  return refuse('not_waiting')
end
leave_unanswered(contact, 'overflowed', 'flowed_out', { to = ARGV[3] })
return reply(DONE)
