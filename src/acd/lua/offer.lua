-- Reserves a waiting contact and a free agent for each other: token, deadline, lease. Where the queue rings
-- all, several agents in one step or none of them: a token each, one deadline, one lease.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, taken, states, meta.
-- ARGV: at, contact, agent, and who else is rung.
-- Answer: reserved with the first one's token and the deadline, or refused unknown_contact, not_waiting,
--   too_many_at_once, unknown_agent, agent_not_free, not_eligible, queue_at_its_limit.
-- Events: offered, one for each agent.

local function has(list, word)
  for _, member in ipairs(list or {}) do
    if member == word then
      return true
    end
  end
  return false
end

-- Whether one more contact of a channel may be offered to who holds these.
local function has_room(profile, holds, channel)
  local of_channel, in_all, most = 0, 0, profile.capacity[channel] or 0
  for _, hold in pairs(holds) do
    local gives_way = (profile.interrupted_by or {})[hold.channel]
    local leaves = ((profile.while_holding or {})[hold.channel] or {})[channel]
    if hold.channel == channel then
      of_channel, in_all = of_channel + 1, in_all + 1
    elseif not has(gives_way, channel) then
      in_all, most = in_all + 1, math.min(most, leaves or most)
    end
  end
  return of_channel < most and in_all < (profile.capacity_total or math.huge)
end

local function serves(profile, queue, channel)
  for _, served in ipairs(profile.queues) do
    -- A name, or a table with the name and the queue's precedence.
    if (served.id or served) == queue then
      return (profile.capacity[channel] or 0) > 0
    end
  end
  return false
end

local function profile_of(agent)
  local text = redis.call('HGET', AGENTS, agent)
  return text and cjson.decode(text)
end

-- Whether somebody will do who has these skills, after the contact's wait.
local function will_do(record, skills)
  local steps = record.skills
  if next(steps) and not steps[1] then
    -- A record of an earlier release: one map of skills.
    steps = { { need = steps } }
  end
  local waited = math.max(0, at - record.enqueued_at)
  for _, step in ipairs(steps) do
    local meets = true
    for skill, least in pairs(step.need) do
      meets = meets and (skills[skill] or -1) >= least
    end
    if meets then
      return true
    end
    if not step.until_ms or waited < step.until_ms then
      return false
    end
  end
  return true
end

-- Whose a contact is, as long as they can take it at all.
local function owner_of(record)
  local reserved = record.reserved
  local owner = reserved and load_agent(reserved.agent)
  local holds = owner and owner.status ~= 'logged_off' and (reserved['until'] or math.huge) > at
    and serves(profile_of(reserved.agent), record.queue, record.channel)
  return holds and reserved.agent
end

-- How many agents may be rung at once.
local function rings_at_once(record, rules)
  if rules.strategy ~= 'ring_all' or record.rings_one then
    return 1
  end
  return math.max(1, rules.ring_all_max or RING_ALL_MAX)
end

local function has_twice(list)
  local seen = {}
  for _, member in ipairs(list) do
    if seen[member] then
      return true
    end
    seen[member] = true
  end
  return false
end

local id, chosen = ARGV[2], { unpack(ARGV, 3) }
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_waiting')
end
if contact.place.place ~= 'waiting' then
  return refuse('not_waiting')
end
local record = contact.record
local rules, owner, avoid = rules_of(record.queue), owner_of(record), avoided(id)
if #chosen > rings_at_once(record, rules) or has_twice(chosen) then
  return refuse('too_many_at_once')
end

-- Why the contact cannot be offered to an agent; nil when it can.
local function may_not_be_offered(agent_id, agent)
  if not agent then
    return 'unknown_agent'
  end
  local profile = profile_of(agent_id)
  local is_resting = agent.rest_until and agent.rest_until > at
  local is_willing = agent.status == 'available' and not agent.next_status and agent.is_reachable
  if not is_willing or is_resting or not has_room(profile, agent.holds, record.channel) then
    return 'agent_not_free'
  end
  local may_take = owner == agent_id
  if not owner then
    may_take = serves(profile, record.queue, record.channel) and will_do(record, profile.skills)
  end
  local till = avoid[agent_id]
  return (not may_take or (till and till > at)) and 'not_eligible' or nil
end

local agents = {}
for number, agent_id in ipairs(chosen) do
  agents[number] = load_agent(agent_id)
  local reason = may_not_be_offered(agent_id, agents[number])
  if reason then
    return refuse(reason)
  end
end
local taken = tonumber(redis.call('HGET', TAKEN, record.queue) or '0')
if rules.active_max and taken >= rules.active_max then
  return refuse('queue_at_its_limit')
end

local deadline = at + millis_of((rules.take_timeout or {})[record.channel] or rules.ring_timeout)
local rings = {}
for number, agent_id in ipairs(chosen) do
  local agent, token = agents[number], redis.call('HINCRBY', META, 'token', 1)
  emit('offered', about(contact, agent_id), { token = token, deadline = deadline, node = record.node })
  rings[number] = { agent = agent_id, token = token }
  agent.tally.last_offer = token
  set_hold(agent_id, agent, id, record.channel, 'ringing', { token = token, deadline = deadline })
  save_agent(agent_id, agent)
end
set_place(contact, rung_by(rings, deadline))
return reply('{"answer":"reserved","token":' .. whole(rings[1].token) .. ',"deadline":' .. whole(deadline) .. '}')
