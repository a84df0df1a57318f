--[[
advance_job: an attempt takes its next step on its node (e, f and g in docs/architecture.md).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
ARGV[1]  attempt
ARGV[2]  node the step happened on
ARGV[3]  state to reach: DISPATCHED, ACKED or RUNNING
ARGV[4]  time until the next step must have happened, ms; '' keeps the deadline
ARGV[5]  test clock, or ''

Returns  {1, state before}        advanced
         {1, state before, age}   the same, and no attempt had been started: ms since the job was created
         {0, 'already', state}    it was there, or further (sent twice, or out of order)
         {0, 'beside', state}     it is live beside another attempt, whose state the job has
         {0, 'beside', state, age}  the same, and it is the first that was started
         {0, 'not_found'}         no such job
         {0, 'stale_attempt'}     the attempt is not live, or another node's
         {0, 'illegal', state}    not placed, or ended
]]
local job = KEYS[1]
local attempt, node_id, target = ARGV[1], ARGV[2], ARGV[3]
local deadline_ms, test_clock = tonumber(ARGV[4]), ARGV[5]
--- @include "shared/now_ms"
--- @include "shared/is_listed"
--- @include "shared/step_hedge"
--- @include "shared/has_started"
local order = {RESERVED = 1, DISPATCHED = 2, ACKED = 3, RUNNING = 4}
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'live', 'node:' .. attempt,
  'open_until_ms', 'created_at_ms', 'hedge', 'hedged')
local state = record[1]
if not state then
  return {0, 'not_found'}
end
if record[2] ~= attempt or record[3] ~= node_id then
  local is_open = order[state] or state == 'SELECTING' or state == 'RETRYING'
  if is_open and record[5] == node_id and is_listed(record[4], attempt) then
    local now = now_ms(test_clock)
    if record[8] ~= attempt or not step_hedge(job, attempt, target, deadline_ms, now)
      or has_started(job, attempt, attempt) then
      return {0, 'beside', state}
    end
    return {0, 'beside', state, now - record[7]}
  end
  return {0, 'stale_attempt'}
end
if not order[state] then
  return {0, 'illegal', state}
end
if order[state] >= order[target] then
  return {0, 'already', state}
end
local now = now_ms(test_clock)
local moment = 'at:' .. attempt .. ':' .. target
if deadline_ms and order[state] < order.ACKED then
  -- While its job is open, the time to work has not begun.
  redis.call('HSET', job, 'state', target, moment, now,
    'deadline_at_ms', math.max(now + deadline_ms, tonumber(record[6] or 0)))
else
  redis.call('HSET', job, 'state', target, moment, now)
end
if order[state] >= order.ACKED or order[target] < order.ACKED then
  return {1, state}
end
if has_started(job, math.max(tonumber(attempt), tonumber(record[9] or 0)), attempt) then
  return {1, state}
end
return {1, state, now - record[7]}
