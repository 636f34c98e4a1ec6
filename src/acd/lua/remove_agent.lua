-- Takes an agent away who neither rings nor talks.
-- KEYS: of the shard (desk.lua); changes agents, states, wrap_ups.
-- ARGV: at, agent.
-- Answer: done (also when there is no such agent), or refused agent_not_free. Event: agent_removed.

local id = ARGV[2]
local agent = load_agent(id)
if not agent then
  return reply(DONE)
end
for _, hold in pairs(agent.holds) do
  if hold.state ~= 'wrap_up' then
    return refuse('agent_not_free')
  end
end
emit('agent_removed', { agent = id })
redis.call('HDEL', AGENTS, id)
redis.call('HDEL', STATES, id)
for contact_id in pairs(agent.holds) do
  redis.call('ZREM', WRAP_UPS, contact_id .. id)
end
return reply(DONE)
