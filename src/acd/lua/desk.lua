-- Shared text, put in front of every verb when it is loaded.
--
-- KEYS of every verb, all with the hash tag of one shard (src/acd/keys.rs says who owns each and why it
-- stays):
--   1 meta        HASH    origin, event, token, entered, ended
--   2 queues      HASH    queue   -> rules, JSON
--   3 agents      HASH    agent   -> profile, JSON
--   4 states      HASH    agent   -> status, contacts held, JSON
--   5 contacts    HASH    contact -> record, JSON
--   6 places      HASH    contact -> place, JSON
--   7 avoid       HASH    contact -> agents left alone with it, JSON
--   8 offers      HASH    token   -> contact (standing and accepted)
--   9 unanswered  HASH    queue   -> how many wait or are offered
--  10 leases      ZSET    contact by the end of its offer's lease
--  11 wrap_ups    ZSET    contact and agent (26 letters, then the name) by the end of the wrap-up
--  12 nodes       ZSET    node by the end of its silence
--  13 ended       HASH    contact -> how it ended
--  14 ended_at    ZSET    contact by when it ended
--  15 events      STREAM  id = event number, field e = event, JSON
--  16 taken       HASH    queue   -> how many are offered or with an agent
--  17 overflows   ZSET    waiting contact by when it goes to another queue
-- ARGV 1: the instant of the change, milliseconds of UTC, by the asking node's clock.
-- Answer of every verb: { answer, event, event, ... }, all JSON.
--
-- JSON is written only from objects, strings, lists that are not empty and whole numbers below 10^14,
-- which cjson keeps exactly; whatever may hold empty lists (profiles, rules) is passed on as the text it
-- came in.

local META, QUEUES, AGENTS, STATES, CONTACTS, PLACES, AVOID, OFFERS, UNANSWERED, LEASES, WRAP_UPS, NODES, ENDED, ENDED_AT, EVENTS, TAKEN, OVERFLOWS =
  unpack(KEYS, 1, 17)
local at = tonumber(ARGV[1])
local origin = redis.call('HGET', META, 'origin')
if not origin then
  return redis.error_reply('NOTOPEN the desk is empty; open it first')
end
local emitted = {}
local DONE = '{"answer":"done"}'

local function reply(answer)
  return { answer, unpack(emitted) }
end

local function refuse(reason)
  return reply('{"answer":"refused","reason":"' .. reason .. '"}')
end

local function whole(number)
  return string.format('%.0f', number)
end

-- None when the rules are of a release that did not know of it.
local function millis_of(duration)
  if not duration then
    return 0
  end
  return duration.secs * 1000 + math.floor(duration.nanos / 1000000)
end

-- Appends one event; `raw` is further JSON members as text.
local function emit(kind, about, fields, raw)
  local event = fields or {}
  local number = redis.call('HINCRBY', META, 'event', 1)
  event.event, event.at = kind, at
  event.id = { origin = origin, number = number }
  event.contact, event.queue, event.agent = about.contact, about.queue, about.agent
  local text = cjson.encode(event)
  if raw then
    text = string.sub(text, 1, -2) .. ',' .. raw .. '}'
  end
  redis.call('XADD', EVENTS, 'MAXLEN', '~', EVENTS_MAX, whole(number) .. '-0', 'e', text)
  emitted[#emitted + 1] = text
end

-- Contacts ------------------------------------------------------------------------------------------

local function load_contact(id)
  local text = redis.call('HGET', CONTACTS, id)
  if not text then
    return nil
  end
  local record = cjson.decode(text)
  local place = cjson.decode(redis.call('HGET', PLACES, id))
  return { id = id, record = record, queue = record.queue, place = place }
end

-- Why a contact is not here: `if_ended`, or unknown.
local function missing(id, if_ended)
  if redis.call('HEXISTS', ENDED, id) == 1 then
    return refuse(if_ended)
  end
  return refuse('unknown_contact')
end

local function rules_of(queue)
  local text = redis.call('HGET', QUEUES, queue)
  return text and cjson.decode(text)
end

-- The step by which a contact is to leave its queue, and when; nil when there is none.
local function overflow_of(record, rules)
  local step = rules and rules.overflow and rules.overflow[(record.overflows_refused or 0) + 1]
  if not step then
    return nil
  end
  return step, (record.entered_at or record.enqueued_at) + millis_of(step.after)
end

local function plan_overflow(id, record, rules)
  local step, due = overflow_of(record, rules)
  if step then
    redis.call('ZADD', OVERFLOWS, whole(due), id)
  else
    redis.call('ZREM', OVERFLOWS, id)
  end
end

-- Keeps a record that was changed.
local function save_record(contact)
  redis.call('HSET', CONTACTS, contact.id, cjson.encode(contact.record))
end

local function about(contact, agent)
  return { contact = contact.id, queue = contact.queue, agent = agent }
end

local function is_unanswered(place)
  return place.place ~= 'active'
end

-- The agents who ring for a contact or have it, each with their token, in the order they were chosen in.
-- `others` of a place is there only while several ring.
local function holders(place)
  if not place.agent then
    return {}
  end
  return { { agent = place.agent, token = place.token }, unpack(place.others or {}) }
end

local function holder_by(place, token)
  for _, ring in ipairs(holders(place)) do
    if ring.token == token then
      return ring.agent
    end
  end
  return nil
end

-- The place of a contact for which these ring.
local function rung_by(rings, deadline)
  local place = { place = 'offered', agent = rings[1].agent, token = rings[1].token, deadline = deadline }
  if rings[2] then
    place.others = { unpack(rings, 2) }
  end
  return place
end

local function leave_place(contact)
  local place = contact.place
  for _, ring in ipairs(holders(place)) do
    redis.call('HDEL', OFFERS, whole(ring.token))
  end
  if place.place == 'offered' then
    redis.call('ZREM', LEASES, contact.id)
  end
  if is_unanswered(place) then
    redis.call('HINCRBY', UNANSWERED, contact.queue, -1)
  end
  if place.place ~= 'waiting' then
    redis.call('HINCRBY', TAKEN, contact.queue, -1)
  else
    redis.call('ZREM', OVERFLOWS, contact.id)
  end
end

local function enter_place(contact, place)
  contact.place = place
  redis.call('HSET', PLACES, contact.id, cjson.encode(place))
  for _, ring in ipairs(holders(place)) do
    redis.call('HSET', OFFERS, whole(ring.token), contact.id)
  end
  if place.place == 'offered' then
    redis.call('ZADD', LEASES, whole(place.deadline + LEASE_GRACE_MS), contact.id)
  end
  if is_unanswered(place) then
    redis.call('HINCRBY', UNANSWERED, contact.queue, 1)
  end
  if place.place ~= 'waiting' then
    redis.call('HINCRBY', TAKEN, contact.queue, 1)
  else
    plan_overflow(contact.id, contact.record, rules_of(contact.queue))
  end
end

local function set_place(contact, place)
  leave_place(contact)
  enter_place(contact, place)
end

-- A contact comes in; `text` is its record, `avoid` the agents left alone with it.
local function enter(id, record, text, avoid)
  redis.call('HSET', CONTACTS, id, text)
  if avoid and avoid ~= '{}' then
    redis.call('HSET', AVOID, id, avoid)
  end
  redis.call('HINCRBY', META, 'entered', 1)
  local contact = { id = id, record = record, queue = record.queue }
  enter_place(contact, { place = 'waiting' })
  return contact
end

local function leave(contact)
  leave_place(contact)
  redis.call('HDEL', CONTACTS, contact.id)
  redis.call('HDEL', PLACES, contact.id)
  redis.call('HDEL', AVOID, contact.id)
  redis.call('HINCRBY', META, 'ended', 1)
end

local function remember_end(id, how)
  redis.call('HSET', ENDED, id, how)
  redis.call('ZADD', ENDED_AT, 'NX', whole(at), id)
end

local function avoided(id)
  local text = redis.call('HGET', AVOID, id)
  return text and cjson.decode(text) or {}
end

local function avoid_agent(id, agent, till)
  local agents = avoided(id)
  agents[agent] = till
  redis.call('HSET', AVOID, id, cjson.encode(agents))
end

-- Why a queue cannot take one more contact; nil when it can.
local function may_not_enter(queue)
  local rules = rules_of(queue)
  if not rules then
    return 'unknown_queue'
  end
  if not rules.is_open then
    return 'queue_closed'
  end
  local most = rules.waiting_max
  if most and most ~= cjson.null and tonumber(redis.call('HGET', UNANSWERED, queue) or '0') >= most then
    return 'queue_full'
  end
  return nil
end

local function emit_enqueued(id, record)
  local fields = {
    priority = record.priority,
    channel = record.channel,
    reserved = record.reserved,
    enqueued_at = record.enqueued_at,
    rings_one = record.rings_one,
    calls_back = record.calls_back,
    node = record.node,
  }
  if next(record.skills) then
    fields.skills = record.skills
  end
  emit('enqueued', { contact = id, queue = record.queue }, fields)
end

-- The contact that stands for the caller of a lost one: bits 8 to 79 of its id turned over.
local BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
local function successor_of(id)
  local letters = { string.byte(id, 1, 26) }
  for place = 11, 25 do
    local digit = string.find(BASE32, string.char(letters[place]), 1, true) - 1
    local turned = bit.bxor(digit, place == 25 and 24 or 31)
    letters[place] = string.byte(BASE32, turned + 1)
  end
  return string.char(unpack(letters))
end

local function back_off_end(contact)
  return at + millis_of(rules_of(contact.queue).decline_back_off)
end

-- Agents --------------------------------------------------------------------------------------------

-- What an agent who logs in has done so far.
local function new_tally(since)
  return { logged_in_at = since, answered = 0, busy_ms = 0, freed_at = since }
end

local function load_agent(id)
  local text = redis.call('HGET', STATES, id)
  return text and cjson.decode(text)
end

local function save_agent(id, agent)
  redis.call('HSET', STATES, id, cjson.encode(agent))
end

-- Changes what an agent does with a contact; without a state they are free of it.
local function set_hold(id, agent, contact_id, channel, state, fields)
  local before = agent.holds[contact_id]
  if before and before.state == 'wrap_up' then
    redis.call('ZREM', WRAP_UPS, contact_id .. id)
  end
  if not state then
    agent.holds[contact_id] = nil
    return
  end
  local hold = fields or {}
  hold.channel, hold.state = channel, state
  agent.holds[contact_id] = hold
  if state == 'wrap_up' then
    redis.call('ZADD', WRAP_UPS, whole(hold['until']), contact_id .. id)
  end
end

local function count_holds(agent)
  local count = 0
  for _ in pairs(agent.holds) do
    count = count + 1
  end
  return count
end

-- Contacts whose wrap-up an agent does, by id.
local function wrap_ups_of(agent)
  local contacts = {}
  for contact_id, hold in pairs(agent.holds) do
    if hold.state == 'wrap_up' then
      contacts[#contacts + 1] = contact_id
    end
  end
  table.sort(contacts)
  return contacts
end

local function is_same_status(one, other)
  return one.status == other.status and one.reason == other.reason
end

-- Puts a chosen status in force. Becoming available while idle starts the idle time.
local function take_status(id, agent, status)
  emit('agent_status', { agent = id }, { status = status.status, reason = status.reason })
  if not next(agent.holds) and status.status == 'available' and agent.status ~= 'available' then
    agent.idle_since = at
  end
  if agent.status == 'logged_off' and status.status ~= 'logged_off' then
    agent.tally = new_tally(at)
  end
  agent.status, agent.reason, agent.next_status = status.status, status.reason, nil
end

-- Before an agent is free of a contact: if it is their last, what they chose comes into force, or the
-- status they are to have; else that is what they come to when the last is over. What they chose is never
-- overwritten.
local function settle_status(id, agent, otherwise)
  if count_holds(agent) > 1 then
    if otherwise and not agent.next_status then
      emit('next_status', { agent = id }, { status = otherwise.status, reason = otherwise.reason })
      if not is_same_status(otherwise, agent) then
        agent.next_status = otherwise
      end
    end
    return
  end
  local status = agent.next_status or otherwise
  if status and not is_same_status(status, agent) then
    take_status(id, agent, status)
  end
end

local function make_ready(id, agent, who, after_wrap_up, idle_since, rest_until)
  emit('ready', who, { after_wrap_up = after_wrap_up, idle_since = idle_since, rest_until = rest_until })
  set_hold(id, agent, who.contact, nil, nil)
  local tally, is_busy = agent.tally, false
  for _, hold in pairs(agent.holds) do
    is_busy = is_busy or hold.state ~= 'ringing'
  end
  if tally.busy_since and not is_busy then
    tally.busy_ms = tally.busy_ms + math.max(0, at - tally.busy_since)
    tally.busy_since = nil
  end
  tally.freed_at = at
  agent.idle_since, agent.rest_until = idle_since, rest_until
  save_agent(id, agent)
end

-- Takes an agent's hands off a contact, if they hold it. `rest` may name a new idle_since, a rest_until,
-- and the status they are put in unless they chose one.
local function free_agent(id, contact, rest)
  local agent = load_agent(id)
  if not agent or not agent.holds[contact.id] then
    return
  end
  settle_status(id, agent, rest.status)
  make_ready(id, agent, about(contact, id), false, rest.idle_since or agent.idle_since, rest.rest_until)
end

-- Takes everybody's hands off a contact who held it in that place.
local function free_holders(contact, place)
  for _, ring in ipairs(holders(place)) do
    free_agent(ring.agent, contact, {})
  end
end

-- The agent of an answered contact talks.
local function take_up_contact(id, contact, token, since)
  local agent = load_agent(id)
  if agent then
    agent.tally.answered = agent.tally.answered + 1
    agent.tally.busy_since = agent.tally.busy_since or since
    set_hold(id, agent, contact.id, contact.record.channel, 'talking', { token = token })
    save_agent(id, agent)
  end
end

-- The agent of a contact that ended wraps it up, if they hold it.
local function begin_wrap_up(id, contact, till, latest)
  local agent = load_agent(id)
  local hold = agent and agent.holds[contact.id]
  if hold then
    set_hold(id, agent, contact.id, hold.channel, 'wrap_up', { ['until'] = till, latest = latest })
    save_agent(id, agent)
  end
end

local function free_from_wrap_up(id, agent, contact_id, idle_since)
  settle_status(id, agent, nil)
  make_ready(id, agent, { contact = contact_id, agent = id }, true, idle_since, nil)
end

-- Shared by several verbs ---------------------------------------------------------------------------

-- The contact of an offer that stands, and the agent it was made to; else nil.
local function standing_offer(token)
  local id = redis.call('HGET', OFFERS, token)
  local contact = id and load_contact(id)
  if contact and contact.place.place == 'offered' then
    return contact, holder_by(contact.place, tonumber(token))
  end
  return nil
end

-- The contact is in its place again; nobody who rang for it or had it is asked before retry_at.
local function requeue_contact(contact, reason, retry_at)
  local agent = contact.place.agent
  for _, ring in ipairs(retry_at and contact.place.others or {}) do
    emit('left_offer', about(contact, ring.agent), { token = ring.token, retry_at = retry_at })
    avoid_agent(contact.id, ring.agent, retry_at)
  end
  emit('requeued', about(contact, agent), { reason = reason, retry_at = retry_at })
  if retry_at then
    avoid_agent(contact.id, agent, retry_at)
  end
  set_place(contact, { place = 'waiting' })
end

-- One phone does not ring any longer for a contact: with the last it is back in the line.
local function leave_offer(contact, agent, token, reason, retry_at)
  local place, rings = contact.place, {}
  for _, ring in ipairs(holders(place)) do
    if ring.token ~= token then
      rings[#rings + 1] = ring
    end
  end
  if not rings[1] then
    return requeue_contact(contact, reason, retry_at)
  end
  emit('left_offer', about(contact, agent), { token = token, retry_at = retry_at })
  avoid_agent(contact.id, agent, retry_at)
  set_place(contact, rung_by(rings, place.deadline))
end

-- Tells of those who ring for a contact, other than one, that the offer lapsed.
local function tell_expired(contact, other_than)
  for _, ring in ipairs(holders(contact.place)) do
    if ring.agent ~= other_than then
      emit('offer_expired', about(contact, ring.agent), { token = ring.token })
    end
  end
end

-- Brings a contact that was not answered to another queue; who rings for it is freed. Why not, or nil.
local function move_contact(contact, to)
  local reason = may_not_enter(to)
  if reason then
    return reason
  end
  local agent, record = contact.place.agent, contact.record
  emit('overflowed', about(contact, agent), { to = to, wait_ms = math.max(0, at - record.enqueued_at) })
  leave(contact)
  record.queue, record.entered_at, record.overflows_refused = to, at, nil
  emit_enqueued(contact.id, record)
  enter(contact.id, record, cjson.encode(record))
  free_holders(contact, contact.place)
  return nil
end

-- Ends a contact that was not answered; who rings for it is freed. Where its node was lost, nobody can stop
-- that ring, so its agent rests until the ring must have ended by itself.
local function leave_unanswered(contact, kind, how, fields)
  local agent, deadline = contact.place.agent, contact.place.deadline
  fields.wait_ms = math.max(0, at - contact.record.enqueued_at)
  emit(kind, about(contact, agent), fields)
  leave(contact)
  remember_end(contact.id, how)
  for _, ring in ipairs(holders(contact.place)) do
    local rest = {}
    if how == 'lost' and deadline > at then
      rest.rest_until = deadline
    end
    free_agent(ring.agent, contact, rest)
  end
end

local function complete_contact(contact, how, by, talk_ms, hold_ms)
  local id, rules = contact.place.agent, rules_of(contact.queue)
  local wrap_up, most = millis_of(rules.wrap_up), millis_of(rules.wrap_up_max)
  local till, latest = nil, nil
  if wrap_up > 0 then
    till = at + wrap_up
    if most > wrap_up then
      latest = at + most
    end
  end
  emit('ended', about(contact, id), {
    by = by, talk_ms = talk_ms, hold_ms = hold_ms, wrap_up_until = till, wrap_up_latest = latest,
  })
  leave(contact)
  remember_end(contact.id, how)
  if till then
    begin_wrap_up(id, contact, till, latest or till)
  else
    free_agent(id, contact, { idle_since = at })
  end
end

-- The verb ------------------------------------------------------------------------------------------
