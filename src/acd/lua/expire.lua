-- Does what is due: ends wrap-ups that are over and offers whose lease ran out, moves contacts that have
-- waited long enough, ends the calls of one silent node; forgets what ended long ago.
-- KEYS: of the shard (desk.lua); changes all but queues and agents.
-- ARGV: at, most of each kind, how long ended contacts are remembered in ms, most of them.
-- Answer: done. Events: those of the ends reaped; overflow_refused and those of move; node_lost, failed and closed for the calls of a lost
--   node, whose ringing agents rest until the ring must have ended; arrived and enqueued of the call-backs for
--   those who were cut off by it.

local most, kept_ms, kept_max = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = whole(at)

local over = redis.call('ZRANGEBYSCORE', WRAP_UPS, '-inf', now, 'LIMIT', 0, most)
for _, member in ipairs(over) do
  local contact_id, id = string.sub(member, 1, 26), string.sub(member, 27)
  local agent = load_agent(id)
  free_from_wrap_up(id, agent, contact_id, agent.holds[contact_id]['until'])
end

local lapsed = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(lapsed) do
  local contact = load_contact(id)
  local place = contact.place
  tell_expired(contact)
  requeue_contact(contact, 'lease_expired', nil)
  free_holders(contact, place)
end

local due = redis.call('ZRANGEBYSCORE', OVERFLOWS, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(due) do
  local contact = load_contact(id)
  local record, rules = contact.record, rules_of(contact.queue)
  local step, when = overflow_of(record, rules)
  local has_moved = false
  while not has_moved and step and when <= at do
    -- A queue is no other than itself.
    local reason = 'unknown_queue'
    if step.to ~= contact.queue then
      reason = move_contact(contact, step.to)
    end
    has_moved = not reason
    if reason then
      emit('overflow_refused', about(contact), { to = step.to, reason = reason })
      record.overflows_refused = (record.overflows_refused or 0) + 1
      save_record(contact)
      plan_overflow(id, record, rules)
      step, when = overflow_of(record, rules)
    end
  end
end

local silent = redis.call('ZRANGEBYSCORE', NODES, '-inf', now, 'LIMIT', 0, 1)[1]
if silent then
  redis.call('ZREM', NODES, silent)
  emit('node_lost', {}, { node = silent })
  local orphans = {}
  local all = redis.call('HGETALL', CONTACTS)
  for place = 1, #all, 2 do
    local record = cjson.decode(all[place + 1])
    -- A call ends with its node; messages and call-backs are in the database.
    if record.node == silent and record.node ~= 'call-backs' and record.channel == 'voice' then
      orphans[#orphans + 1] = all[place]
    end
  end
  table.sort(orphans)
  -- A caller who was cut off and can be called back keeps the place: a call-back stands there for them.
  -- Once is enough, though the gateway came back and was lost again.
  local function keep_place(lost)
    local caller, id = lost.calls_back, successor_of(lost.id)
    if not caller or redis.call('HEXISTS', CONTACTS, id) == 1 or redis.call('HEXISTS', ENDED, id) == 1 then
      return
    end
    emit('arrived', { contact = id }, {
      channel = 'voice', from = caller.number, to = caller.dialled, via = 'call_back',
    })
    lost.id, lost.rings_one, lost.node = id, true, 'call-backs'
    lost.entered_at, lost.overflows_refused, lost.avoid = at, nil, nil
    emit_enqueued(id, lost)
    enter(id, lost, cjson.encode(lost))
  end
  for _, id in ipairs(orphans) do
    local contact = load_contact(id)
    if contact.place.place == 'active' then
      complete_contact(contact, 'lost', 'failure', math.max(0, at - contact.place.answered_at), 0)
      emit('failed', about(contact), { cause = 'gateway_lost' })
      emit('closed', about(contact), { result = 'answered' })
    else
      leave_unanswered(contact, 'abandoned', 'lost', {})
      emit('failed', about(contact), { cause = 'gateway_lost' })
      emit('closed', about(contact), { result = 'failed' })
    end
    keep_place(contact.record)
  end
end

local function forget(ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', ENDED_AT, id)
    redis.call('HDEL', ENDED, id)
  end
end
forget(redis.call('ZRANGEBYSCORE', ENDED_AT, '-inf', whole(at - kept_ms)))
local too_many = redis.call('ZCARD', ENDED_AT) - kept_max
if too_many > 0 then
  forget(redis.call('ZRANGE', ENDED_AT, 0, too_many - 1))
end
return reply(DONE)
