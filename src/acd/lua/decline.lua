-- The agent refused, was busy or could not be reached: the contact is in its old place again, and that
-- agent is not asked for it during the back-off.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, avoid, states.
-- ARGV: at, token, reason (declined, busy, unreachable).
-- Answer: done, or refused stale_offer.
-- Events: declined, requeued, agent_reachable (unreachable only), agent_status (if one was chosen), ready.

local contact, reason = standing_offer(ARGV[2]), ARGV[3]
if not contact then
  return refuse('stale_offer')
end
local id, retry_at = contact.place.agent, back_off_end(contact)
emit('declined', about(contact, id), { token = contact.place.token, reason = reason })
requeue_contact(contact, reason == 'unreachable' and 'unreachable' or 'declined', retry_at)
local rest = {}
if reason == 'declined' then
  rest.idle_since = at
elseif reason == 'busy' then
  rest.rest_until = retry_at
else
  local agent = load_agent(id)
  if agent and agent.is_reachable then
    emit('agent_reachable', { agent = id }, { is_reachable = false })
    agent.is_reachable = false
    save_agent(id, agent)
  end
end
free_agent(id, contact, rest)
return reply(DONE)
