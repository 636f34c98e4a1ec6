-- open
-- Opens the desk of a shard: an empty one gets an origin for its events and a floor for its tokens, so
-- that neither is taken for one of a desk that was lost. So does a desk whose server is another process
-- than before: one that took over, or came back, may have lost the last events and offers of the other,
-- and would give their numbers away again.
-- A desk that an earlier release wrote is brought to the layout of this one; the gateways of that release
-- must have stopped.
-- KEYS: of the shard (desk.lua). ARGV: 1 origin, 2 token floor. Not preceded by desk.lua.
-- Answer: { origin in force, 1 when the desk was empty, else 0 }, or an error when a later release wrote it.

local META, STATES, CONTACTS, PLACES, WRAP_UPS, TAKEN = KEYS[1], KEYS[4], KEYS[5], KEYS[6], KEYS[11], KEYS[16]
local LAYOUT = 2

local function record_of(contact)
  local text = redis.call('HGET', CONTACTS, contact)
  return text and cjson.decode(text)
end

-- Layout 1 knew one contact an agent, flat in the state, and counted nobody's tally.
local function from_layout_1()
  redis.call('DEL', WRAP_UPS, TAKEN)
  local states = redis.call('HGETALL', STATES)
  for place = 1, #states, 2 do
    local id, agent = states[place], cjson.decode(states[place + 1])
    local contact, till = agent.contact, agent['until']
    local holds = {}
    if contact then
      local record = record_of(contact)
      holds[contact] = {
        channel = record and record.channel or 'voice', state = agent.state,
        token = agent.token, deadline = agent.deadline, ['until'] = till, latest = till,
      }
    end
    if till then
      redis.call('ZADD', WRAP_UPS, string.format('%.0f', till), contact .. id)
    end
    agent.state, agent.contact, agent.token, agent.deadline, agent['until'] = nil, nil, nil, nil, nil
    agent.holds = holds
    agent.tally = agent.tally or { logged_in_at = 0, answered = 0, busy_ms = 0, freed_at = 0 }
    redis.call('HSET', STATES, id, cjson.encode(agent))
  end
  local places = redis.call('HGETALL', PLACES)
  for place = 1, #places, 2 do
    if cjson.decode(places[place + 1]).place ~= 'waiting' then
      redis.call('HINCRBY', TAKEN, record_of(places[place]).queue, 1)
    end
  end
end

local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local is_new = redis.call('HSETNX', META, 'origin', ARGV[1])
if is_new == 1 then
  redis.call('HSET', META, 'token', ARGV[2], 'event', 0, 'entered', 0, 'ended', 0)
  redis.call('HSET', META, 'server', server, 'layout', LAYOUT)
else
  local layout = tonumber(redis.call('HGET', META, 'layout') or '1')
  if layout > LAYOUT then
    return redis.error_reply('ERR a later release of ringdown wrote this desk; use that, or another shard')
  end
  if layout == 1 then
    from_layout_1()
    redis.call('HSET', META, 'layout', LAYOUT)
  end
  if redis.call('HGET', META, 'server') ~= server then
    redis.call('HSET', META, 'origin', ARGV[1], 'server', server)
    if tonumber(redis.call('HGET', META, 'token')) < tonumber(ARGV[2]) then
      redis.call('HSET', META, 'token', ARGV[2])
    end
  end
end
return { redis.call('HGET', META, 'origin'), is_new }
