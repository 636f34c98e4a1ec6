-- The phone rang for its whole time: the contact is in its old place again, the agent not ready. While
-- others ring for it, it stays with them.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, avoid, states.
-- ARGV: at, token, reason of the status.
-- Answer: done, or refused stale_offer. Events: ring_timeout, requeued or
--   left_offer, agent_status, ready.

local contact, id = standing_offer(ARGV[2])
if not contact then
  return refuse('stale_offer')
end
local token = tonumber(ARGV[2])
emit('ring_timeout', about(contact, id), { token = token })
leave_offer(contact, id, token, 'ring_timeout', back_off_end(contact))
free_agent(id, contact, { status = { status = 'not_ready', reason = ARGV[3] } })
return reply(DONE)
