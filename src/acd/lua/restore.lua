-- What a node knows of a contact of its own, after the store was lost and came back.
-- KEYS: of the shard (desk.lua); changes all but queues, agents and nodes.
-- ARGV: at, contact, record JSON, agents to avoid JSON, place JSON.
-- Answer: done, or refused stale_offer (the token is another contact's), already_ended, unknown_queue.
-- Events: offer_expired (an offer made since gives way to the call that is), restored, and agent_status
--   and ready of who is freed by it; overflowed and closed of the call-back for a caller who is back.

local id, text, avoid, place_text = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local record, place = cjson.decode(text), cjson.decode(place_text)
if place.place == 'active' and (redis.call('HGET', OFFERS, whole(place.token)) or id) ~= id then
  return refuse('stale_offer')
end
local how = redis.call('HGET', ENDED, id)
local was_lost = how == 'lost'
if how and place.place == 'ended' then
  return reply(DONE)
elseif how == 'lost' then
  redis.call('HDEL', ENDED, id)
  redis.call('ZREM', ENDED_AT, id)
elseif how then
  return refuse('already_ended')
end
if redis.call('HEXISTS', QUEUES, record.queue) == 0 then
  return refuse('unknown_queue')
end

local function emit_restored(agent)
  emit('restored', { contact = id, queue = record.queue, agent = agent }, nil,
    '"record":' .. text .. ',"place":' .. place_text)
end

local known = load_contact(id)
local here = known and known.place
local holder = here and here.agent

if place.place == 'waiting' then
  local newest = 0
  for _, ring in ipairs(here and holders(here) or {}) do
    newest = math.max(newest, ring.token)
  end
  local is_over = holder and place.offer_over and place.offer_over >= newest
  if not known then
    emit_restored(nil)
    enter(id, record, text, avoid)
  elseif is_over then
    emit_restored(nil)
    for agent, till in pairs(cjson.decode(avoid)) do
      avoid_agent(id, agent, till)
    end
    set_place(known, { place = 'waiting' })
    free_holders(known, here)
  end
elseif place.place == 'active' then
  if here and here.place == 'active' then
    return reply(DONE)
  end
  if here then
    tell_expired(known, place.agent)
  end
  local highest = tonumber(redis.call('HGET', META, 'token'))
  if place.token > highest then
    redis.call('HSET', META, 'token', whole(place.token))
  end
  emit_restored(place.agent)
  local contact = known or enter(id, record, text, avoid)
  set_place(contact, {
    place = 'active', agent = place.agent, token = place.token, answered_at = place.answered_at,
  })
  take_up_contact(place.agent, contact, place.token, place.answered_at)
  for _, ring in ipairs(here and holders(here) or {}) do
    if ring.agent ~= place.agent then
      free_agent(ring.agent, known, {})
    end
  end
else
  remember_end(id, place['end'])
  if known then
    emit_restored(holder)
    leave(known)
    local till = place.wrap_up_until
    -- Of several who rang the first stands for whoever had it.
    for number, ring in ipairs(holders(here)) do
      if number == 1 and till then
        begin_wrap_up(ring.agent, known, till, till)
      elseif number == 1 and place['end'] == 'completed' then
        free_agent(ring.agent, known, { idle_since = at })
      else
        free_agent(ring.agent, known, {})
      end
    end
  end
end
-- The caller was on the line all the time: the call-back that stands for them leaves it, unless an agent has
-- it already.
local call_back = was_lost and load_contact(successor_of(id))
if call_back and call_back.place.place ~= 'active' then
  leave_unanswered(call_back, 'overflowed', 'flowed_out', { to = 'caller_is_back' })
  emit('closed', about(call_back), { result = 'flowed_out' })
end
return reply(DONE)
