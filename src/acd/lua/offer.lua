-- Reserves a waiting contact and a free agent for each other: token, deadline, lease.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, taken, states, meta.
-- ARGV: at, contact, agent.
-- Answer: reserved with token and deadline, or refused unknown_contact, not_waiting, unknown_agent,
--   agent_not_free, not_eligible, queue_at_its_limit. Event: offered.

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
local record, profile = contact.record, profile_of(agent_id)
local is_resting = agent.rest_until and agent.rest_until > at
local is_willing = agent.status == 'available' and not agent.next_status and agent.is_reachable
if not is_willing or is_resting or not has_room(profile, agent.holds, record.channel) then
  return refuse('agent_not_free')
end
local owner = owner_of(record)
local may_take = owner == agent_id
if not owner then
  may_take = serves(profile, record.queue, record.channel) and will_do(record, profile.skills)
end
local till = avoided(id)[agent_id]
if not may_take or (till and till > at) then
  return refuse('not_eligible')
end
local rules = rules_of(record.queue)
local taken = tonumber(redis.call('HGET', TAKEN, record.queue) or '0')
if rules.active_max and taken >= rules.active_max then
  return refuse('queue_at_its_limit')
end

local deadline = at + millis_of((rules.take_timeout or {})[record.channel] or rules.ring_timeout)
local token = redis.call('HINCRBY', META, 'token', 1)
emit('offered', about(contact, agent_id), { token = token, deadline = deadline, node = record.node })
set_place(contact, { place = 'offered', agent = agent_id, token = token, deadline = deadline })
agent.tally.last_offer = token
set_hold(agent_id, agent, id, record.channel, 'ringing', { token = token, deadline = deadline })
save_agent(agent_id, agent)
return reply('{"answer":"reserved","token":' .. whole(token) .. ',"deadline":' .. whole(deadline) .. '}')
