--[[
hedge_job: a second node gets the job as well, for its own takes long, or does not even accept it (ND6).

Both attempts are live. The second one stands beside the newest, which stays what the job is known by: so it costs no
attempt of the budget.
A job is hedged once. One that was heard while it was spoken is not, nor one that a node left behind may yet deliver.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
ARGV[1]  attempt that takes long
ARGV[2]  node that has it
ARGV[3]  node that has a slot reserved for the attempt after it
ARGV[4]  time until that node must have accepted, ms
ARGV[5]  test clock, or ''

Returns  {1, attempt}            the second attempt, begun now or by this call's first sending
         {0, 'not_found'}        no such job
         {0, 'stale_attempt'}    another attempt, or another node's, is the newest
         {0, 'illegal', state}   no node has it, or it ended
         {0, 'hedged'}           it has been hedged, or is not to be
]]
local job = KEYS[1]
local attempt, node_id, second_node, accept_ms, test_clock = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
--- @include "shared/now_ms"
local hedge = string.format('%d', attempt + 1)
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'live', 'hedged', 'hedge',
  'node:' .. hedge, 'open_until_ms', 'whole_from')
local state, live = record[1], record[4] or ''
if not state then
  return {0, 'not_found'}
end
if record[2] ~= attempt or record[3] ~= node_id then
  return {0, 'stale_attempt'}
end
if state ~= 'RESERVED' and state ~= 'DISPATCHED' and state ~= 'ACKED' and state ~= 'RUNNING' then
  return {0, 'illegal', state}
end
if record[6] == hedge and record[7] == second_node then
  return {1, tonumber(hedge)}
end
if record[5] or live ~= '' or record[8] or record[9] or second_node == node_id then
  return {0, 'hedged'}
end
local now = now_ms(test_clock)
redis.call('HSET', job, 'live', hedge, 'live_until_ms', now + accept_ms, 'node:' .. hedge, second_node,
  'hedged', hedge, 'hedge', hedge, 'hedge_state', 'RESERVED', 'hedge_until_ms', string.format('%d', now + accept_ms),
  'at:' .. hedge .. ':RESERVED', now)
return {1, tonumber(hedge)}
