-- The agent needs longer for the work after a contact, at most as long as the queue allows.
-- KEYS: of the shard (desk.lua); changes states, wrap_ups.
-- ARGV: at, agent, contact, by how much in ms.
-- Answer: done, or refused unknown_agent, no_wrap_up, no_time_left. Event: wrap_up_extended.

local id, contact_id = ARGV[2], ARGV[3]
local agent = load_agent(id)
if not agent then
  return refuse('unknown_agent')
end
local hold = agent.holds[contact_id]
if not hold or hold.state ~= 'wrap_up' then
  return refuse('no_wrap_up')
end
local later = math.min(hold['until'] + tonumber(ARGV[4]), hold.latest)
if later <= hold['until'] then
  return refuse('no_time_left')
end
emit('wrap_up_extended', { contact = contact_id, agent = id }, { ['until'] = later })
set_hold(id, agent, contact_id, hold.channel, 'wrap_up', { ['until'] = later, latest = hold.latest })
save_agent(id, agent)
return reply(DONE)
