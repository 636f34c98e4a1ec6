-- The phone rang for its whole time: the contact is in its old place again, the agent not ready.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, avoid, states.
-- ARGV: at, token, reason of the status.
-- Answer: done, or refused stale_offer. Events: ring_timeout, requeued, agent_status, ready.

local contact = standing_offer(ARGV[2])
if not contact then
  return refuse('stale_offer')
end
local id, retry_at = contact.place.agent, back_off_end(contact)
emit('ring_timeout', about(contact, id), { token = contact.place.token })
requeue_contact(contact, 'ring_timeout', retry_at)
free_agent(id, contact, { status = { status = 'not_ready', reason = ARGV[3] } })
return reply(DONE)
