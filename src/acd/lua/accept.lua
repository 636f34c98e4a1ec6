-- The agent answered: compare-and-set on the token. Whoever else rings is freed with the idle time intact.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, unanswered, states.
-- ARGV: at, token.
-- Answer: done (also when it was accepted before), or refused stale_offer. 
-- Events: answered, and agent_status (if one was chosen) and ready of each who rang beside.

local id = redis.call('HGET', OFFERS, ARGV[2])
local contact = id and load_contact(id)
if not contact or contact.place.place == 'waiting' then
  return refuse('stale_offer')
end
if contact.place.place == 'active' then
  return reply(DONE)
end
local rung, token = contact.place, tonumber(ARGV[2])
local winner = holder_by(rung, token)
emit('answered', about(contact, winner), {
  token = token,
  wait_ms = math.max(0, at - contact.record.enqueued_at),
})
set_place(contact, { place = 'active', agent = winner, token = token, answered_at = at })
take_up_contact(winner, contact, token, at)
for _, ring in ipairs(holders(rung)) do
  if ring.agent ~= winner then
    free_agent(ring.agent, contact, {})
  end
end
return reply(DONE)
