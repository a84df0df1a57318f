--[[
decline_job: a node would not take the attempt it was offered; the job goes on as its next one (ND9).

No attempt of the budget is spent, and nothing is held against the node. It does not get the job again.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
ARGV[1]  attempt that was declined
ARGV[2]  node that declined it
ARGV[3]  how it stands in the record, with the node's reason
ARGV[4]  nodes that may decline a job
ARGV[5]  time to find a node, ms, from the first of declines that follow each other
ARGV[6]  token of this call: a repeat of it gets the first reply again
ARGV[7]  test clock, or ''

Returns  {1, attempt, nodes}      the next attempt; nodes that declined the job, comma separated
         {1, 0, nodes}            it was one of two of a hedged job, which goes on with the other
         {0, 'exhausted'}         too many declined it, or for too long; nothing changed
         {0, 'accepted', state}   it had been accepted
         {0, 'not_found'}         no such job
         {0, 'stale_attempt'}     the attempt is over, or another node's
]]
local job = KEYS[1]
local attempt, node_id, told = ARGV[1], ARGV[2], ARGV[3]
local most, pending_ms, call, test_clock = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
--- @include "shared/now_ms"
--- @include "shared/drop_listed"
--- @include "shared/end_hedge"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'declined_by', 'declines',
  'declining_since_ms', 'declined_call', 'open_until_ms', 'at:' .. attempt .. ':RETRYING', 'live',
  'live_until_ms', 'hedge', 'hedge_state', 'node:' .. attempt, 'hedged')
local state, current, nodes, count = record[1], record[2], record[4] or '', tonumber(record[5] or 0)
if not state then
  return {0, 'not_found'}
end
local hedge, hedged = record[12], tonumber(record[15] or 0)
if record[7] == call then
  local begun = tonumber(current) > tonumber(attempt) and tonumber(current) ~= hedged
  return {1, begun and tonumber(current) or 0, nodes}
end
local is_placed = state == 'RESERVED' or state == 'DISPATCHED' or state == 'ACKED' or state == 'RUNNING'
local is_hedge = is_placed and hedge == attempt and record[14] == node_id
if is_hedge then
  current, state = attempt, record[13]
end
if not is_hedge and (current ~= attempt or record[3] ~= node_id) then
  return {0, 'stale_attempt'}
end
if state == 'ACKED' or state == 'RUNNING' then
  return {0, 'accepted', state}
end
if state ~= 'RESERVED' and state ~= 'DISPATCHED' then
  return {0, 'stale_attempt'}
end
nodes = nodes == '' and node_id or nodes .. ',' .. node_id
if hedge then
  end_hedge(job, hedge, not is_hedge)
  redis.call('HSET', job, 'live', drop_listed(record[10], hedge), 'node:' .. attempt, '', 'declined_by', nodes,
    'declined_call', call, 'failure:' .. attempt, told)
  return {1, 0, nodes}
end
local now = now_ms(test_clock)
-- An attempt that began with a failure begins a time of its own.
local since = not record[9] and tonumber(record[6]) or now
local open_until = tonumber(record[8] or 0)
if count >= most or now > math.max(since + pending_ms, open_until) then
  return {0, 'exhausted'}
end
local next_attempt = string.format('%d', math.max(tonumber(attempt), hedged) + 1)
local live_until = record[10] and record[10] ~= '' and tonumber(record[11]) or 0
redis.call('HSET', job, 'state', 'SELECTING', 'attempt', next_attempt, 'node_id', '', 'node:' .. attempt, '',
  'declined_by', nodes, 'declines', count + 1, 'declining_since_ms', string.format('%d', since),
  'declined_call', call, 'failure:' .. attempt, told, 'at:' .. next_attempt .. ':SELECTING', now,
  'deadline_at_ms', string.format('%d', math.max(now, since + pending_ms, open_until, live_until)))
return {1, tonumber(next_attempt), nodes}
