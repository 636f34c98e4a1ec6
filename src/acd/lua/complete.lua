-- The contact ended after an answer; the agent wraps up, or is free.
-- KEYS: of the shard (desk.lua); changes contacts and what holds them, states, wrap_ups, ended, meta.
-- ARGV: at, contact, who ended it, talk in ms, hold in ms, the token of the answered offer (empty for whichever).
-- Answer: done (also when it was completed before), or refused unknown_contact, not_active, stale_offer
--   (another offer was answered since).
-- Events: ended, agent_status and ready (without wrap-up).

local id = ARGV[2]
if redis.call('HGET', ENDED, id) == 'completed' then
  return reply(DONE)
end
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_active')
end
if contact.place.place ~= 'active' then
  return refuse('not_active')
end
if ARGV[6] ~= '' and contact.place.token ~= tonumber(ARGV[6]) then
  return refuse('stale_offer')
end
complete_contact(contact, 'completed', ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
return reply(DONE)
