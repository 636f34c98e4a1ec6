-- The agent refused, was busy or could not be reached: the contact is in its old place again, and that
-- agent is not asked for it during the back-off. While others ring for it, it stays with them.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, avoid, states.
-- ARGV: at, token, reason (declined, busy, unreachable).
-- Answer: done, or refused stale_offer.
-- Events: declined, requeued or left_offer, agent_reachable (unreachable only), agent_status (if one was chosen), ready.

local contact, id = standing_offer(ARGV[2])
if not contact then
  return refuse('stale_offer')
end
local token, reason, retry_at = tonumber(ARGV[2]), ARGV[3], back_off_end(contact)
emit('declined', about(contact, id), { token = token, reason = reason })
leave_offer(contact, id, token, reason == 'unreachable' and 'unreachable' or 'declined', retry_at)
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
