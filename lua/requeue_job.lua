--[[
requeue_job: an attempt failed; the next one begins, or the budget is spent (J-6, C12).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
ARGV[1]  attempt that failed
ARGV[2]  node it failed on
ARGV[3]  reason
ARGV[4]  '1' when the node itself reported an error
ARGV[5]  reassignments allowed in all
ARGV[6]  of which because nodes reported errors
ARGV[7]  time to find a node, ms
ARGV[8]  token of this call: a repeat of it gets the first reply again
ARGV[9]  test clock, or ''

Returns  {1, attempt, nodes}      the new attempt; nodes it failed on so far, comma separated
         {0, 'exhausted'}         no attempts left; nothing changed
         {0, 'not_found'}         no such job
         {0, 'stale_attempt'}     somebody else was first
         {0, 'illegal', state}    not with a node, or ended
]]
local job = KEYS[1]
local attempt, node_id, reason, reported = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, most_reported = tonumber(ARGV[5]), tonumber(ARGV[6])
local pending_ms, call, test_clock = tonumber(ARGV[7]), ARGV[8], ARGV[9]
--- @include "shared/now_ms"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'failed_on', 'reported', 'requeued_by')
local state = record[1]
if not state then
  return {0, 'not_found'}
end
if record[6] == call and state == 'RETRYING' then
  return {1, tonumber(record[2]), record[4]}
end
if record[2] ~= attempt or record[3] ~= node_id then
  return {0, 'stale_attempt'}
end
if state ~= 'RESERVED' and state ~= 'DISPATCHED' and state ~= 'ACKED' and state ~= 'RUNNING' then
  return {0, 'illegal', state}
end
local reports = tonumber(record[5] or 0) + tonumber(reported)
if tonumber(attempt) > most or reports > most_reported then
  return {0, 'exhausted'}
end
local now = now_ms(test_clock)
local next_attempt = tonumber(attempt) + 1
local failed_on = record[4] and record[4] .. ',' .. node_id or node_id
redis.call('HSET', job, 'state', 'RETRYING', 'attempt', next_attempt, 'node_id', '',
  'failed_on', failed_on, 'reported', reports, 'deadline_at_ms', now + pending_ms,
  'failure:' .. attempt, reason, 'requeued_by', call, 'at:' .. next_attempt .. ':RETRYING', now)
return {1, next_attempt, failed_on}
