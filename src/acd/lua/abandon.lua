-- The caller left before the answer; who rings for them is freed with the idle time intact.
-- KEYS: of the shard (desk.lua); changes contacts and what holds them, states, ended, meta.
-- ARGV: at, contact.
-- Answer: done (also when it was abandoned before), or refused unknown_contact, not_waiting.
-- Events: abandoned, agent_status (if one was chosen), ready (if somebody rang).

local id = ARGV[2]
if redis.call('HGET', ENDED, id) == 'abandoned' then
  return reply(DONE)
end
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_waiting')
end
if contact.place.place == 'active' then
  return refuse('not_waiting')
end
leave_unanswered(contact, 'abandoned', 'abandoned', {})
return reply(DONE)
