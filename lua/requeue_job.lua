--[[
requeue_job: an attempt failed; the next one begins, or the budget is spent (J-6, C12).

An attempt whose node may still deliver stays live beside the next one, until it fails in its turn. Not so one
that was begun while its job was open: what its node has heard of it nobody knows. Of one that surely did not hear
all of it (a reason that begins with "stream_") no answer is good any more. A node that went away while it was open
may have it once more.

Where the newest attempt of a hedged job fails, its second one is the newest, and no try is spent (ND6); not so a
second one whose node may still deliver, but went away.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
ARGV[1]  attempt that failed
ARGV[2]  node it failed on
ARGV[3]  reason
ARGV[4]  '1' when the node itself reported an error
ARGV[5]  reassignments allowed in all
ARGV[6]  of which because nodes reported errors
ARGV[7]  time to find a node, ms
ARGV[8]  '1' when its node may still deliver, '0' when not, '' when it surely never had the attempt
ARGV[9]  JSON of what to tell if no attempt ends well, or ''; the first one is kept
ARGV[10] '1' when the attempt is not to count, for its node is in no good standing: so many times at most as
         reassignments are allowed
ARGV[11] token of this call: a repeat of it gets the first reply again
ARGV[12] test clock, or ''

Returns  {1, 'begun', attempt, nodes, live, failure}  the new attempt; nodes that had the job, attempts
                                                      still live, comma separated; what to tell
         {1, 'left', attempt, nodes, live, failure}   it was live beside this one, and is no more
         {0, 'exhausted'}         no attempts left; nothing changed
         {0, 'not_found'}         no such job
         {0, 'stale_attempt'}     somebody else was first
         {0, 'illegal', state}    not with a node, or ended
]]
local job, call, test_clock = KEYS[1], ARGV[11], ARGV[12]
local attempt, node_id, reason, reported = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, most_reported, pending_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local was_given, may_deliver, failure, spares = ARGV[8] ~= '', ARGV[8] == '1', ARGV[9], tonumber(ARGV[10])
--- @include "shared/now_ms"
--- @include "shared/is_listed"
--- @include "shared/drop_listed"
--- @include "shared/end_hedge"
--- @include "shared/note_had"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'failed_on', 'reported', 'requeued_by',
  'left_by', 'live', 'live_until_ms', 'first_failure', 'deadline_at_ms', 'node:' .. attempt, 'open_until_ms',
  'whole_from', 'spared', 'declines', 'hedge', 'hedged')
may_deliver = may_deliver and not (record[13] or record[14])
local state, current, nodes, live, told = record[1], record[2], record[4] or '', record[8] or '', record[10] or ''
if not state then
  return {0, 'not_found'}
end
local waits = state == 'SELECTING' or state == 'RETRYING'
local placed = state == 'RESERVED' or state == 'DISPATCHED' or state == 'ACKED' or state == 'RUNNING'
local begun, left = record[6] == call and state == 'RETRYING', record[7] == call and (waits or placed)
if begun or left then
  return {1, begun and 'begun' or 'left', tonumber(current), nodes, live, told}
end
local hedge, hedged, is_hedge = record[17], tonumber(record[18] or 0), attempt ~= current and record[17] == attempt
local beside = attempt ~= current and is_listed(live, attempt) and record[12] == node_id
  and (is_hedge or not may_deliver)
if not beside and (attempt ~= current or record[3] ~= node_id) then
  return {0, 'stale_attempt'}
end
if not placed and not (beside and waits) then
  return {0, 'illegal', state}
end
local promotes = not beside and hedge
local spared = math.min(tonumber(record[15] or 0) + spares, most)
local reports = tonumber(record[5] or 0) + tonumber(reported) * (1 - spares)
local free = spared + tonumber(record[16] or 0) + (hedged > 0 and hedged <= tonumber(attempt) and 1 or 0)
if not beside and not promotes and (tonumber(attempt) - free > most or reports > most_reported) then
  return {0, 'exhausted'}
end
local now = now_ms(test_clock)
-- A job waits once, however many attempts fail meanwhile.
local since = tonumber(beside and waits and redis.call('HGET', job, 'at:' .. current .. ':' .. state) or now)
local deadline, live_until = math.max(now, since + pending_ms, tonumber(record[13] or 0)), tonumber(record[9] or 0)
told = told ~= '' and told or failure
live = (promotes or beside and not may_deliver) and drop_listed(live, beside and attempt or hedge) or live
if may_deliver then
  live = beside and live or live == '' and attempt or live .. ',' .. attempt
  live_until = math.max(live_until, tonumber(record[11]))
end
deadline = math.max(deadline, live ~= '' and live_until or 0)
local had_it = was_given and not (record[13] and reason == 'node_offline')
nodes = (beside and not is_hedge) and nodes or note_had(job, attempt, node_id, nodes, had_it)
redis.call('HSET', job, 'failure:' .. attempt, reason, 'live', live, 'live_until_ms', live_until,
  'first_failure', told, 'answered:' .. attempt, reported, 'failed_on', nodes)
if beside or promotes then
  redis.call('HSET', job, 'left_by', call, 'deadline_at_ms', placed and record[11] or deadline)
  end_hedge(job, (promotes or is_hedge) and hedge, promotes)
  return {1, 'left', tonumber(promotes and hedge or current), nodes, live, told}
end
local next_attempt = math.max(tonumber(attempt), hedged) + 1
if record[14] == attempt and string.find(reason, '^stream_') then
  redis.call('HSET', job, 'whole_from', next_attempt)
end
redis.call('HSET', job, 'state', 'RETRYING', 'attempt', next_attempt, 'node_id', '', 'reported', reports,
  'spared', spared, 'deadline_at_ms', deadline, 'requeued_by', call, 'at:' .. next_attempt .. ':RETRYING', now)
return {1, 'begun', next_attempt, nodes, live, told}
