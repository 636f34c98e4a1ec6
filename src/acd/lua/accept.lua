-- The agent answered: compare-and-set on the token.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, unanswered, states.
-- ARGV: at, token.
-- Answer: done (also when it was accepted before), or refused stale_offer. Event: answered.

local id = redis.call('HGET', OFFERS, ARGV[2])
local contact = id and load_contact(id)
if not contact or contact.place.place == 'waiting' then
  return refuse('stale_offer')
end
if contact.place.place == 'active' then
  return reply(DONE)
end
local agent_id, token = contact.place.agent, contact.place.token
emit('answered', about(contact, agent_id), {
  token = token,
  wait_ms = math.max(0, at - contact.record.enqueued_at),
})
set_place(contact, { place = 'active', agent = agent_id, token = token, answered_at = at })
take_up_contact(agent_id, contact, token, at)
return reply(DONE)
