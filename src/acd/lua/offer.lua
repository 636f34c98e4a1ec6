-- Reserves a waiting contact and a free agent for each other: token, deadline, lease.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, states, meta.
-- ARGV: at, contact, agent.
-- Answer: reserved with token and deadline, or refused unknown_contact, not_waiting, unknown_agent,
--   agent_not_free, not_eligible. Event: offered.

local id, agent_id = ARGV[2], ARGV[3]
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_waiting')
end
if contact.place.place ~= 'waiting' then
  return refuse('not_waiting')
end
local agent = load_agent(agent_id)
if not agent then
  return refuse('unknown_agent')
end
local is_resting = agent.rest_until and agent.rest_until > at
if agent.status ~= 'available' or agent.state ~= 'idle' or not agent.is_reachable or is_resting then
  return refuse('agent_not_free')
end

local record = contact.record
local profile = cjson.decode(redis.call('HGET', AGENTS, agent_id))
local is_eligible = (profile.capacity[record.channel] or 0) > 0
local serves = false
for _, queue in ipairs(profile.queues) do
  -- A name, or a table with the name and the queue's precedence.
  serves = serves or (queue.id or queue) == record.queue
end
for skill, least in pairs(record.skills) do
  is_eligible = is_eligible and (profile.skills[skill] or -1) >= least
end
local till = avoided(id)[agent_id]
if not serves or not is_eligible or (till and till > at) then
  return refuse('not_eligible')
end

local deadline = at + millis_of(rules_of(record.queue).ring_timeout)
local token = redis.call('HINCRBY', META, 'token', 1)
emit('offered', about(contact, agent_id), { token = token, deadline = deadline, node = record.node })
set_place(contact, { place = 'offered', agent = agent_id, token = token, deadline = deadline })
agent.tally.last_offer = token
set_state(agent, 'ringing', { contact = id, token = token, deadline = deadline })
save_agent(agent_id, agent)
return reply('{"answer":"reserved","token":' .. whole(token) .. ',"deadline":' .. whole(deadline) .. '}')
