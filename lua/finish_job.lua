--[[
finish_job: a job ends; its outcome waits in the session's outbox until it was handed over.

A good answer counts of every attempt its node held and has not answered, a bad one of the newest alone.
While the job is open none is good, and later none of an attempt whose node did not hear all of it; nor is one that
comes when no answer is wanted any more.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>      HASH    the job record
KEYS[2]  {p}:v2:{session:<id>}:payload:<job>  STRING  the assign frame
KEYS[3]  {p}:v2:{session:<id>}:outcome:<job>  STRING  what the speaker is told
KEYS[4]  {p}:v2:{session:<id>}:outbox         ZSET    job ids not handed over, scored by utterance index
ARGV[1]  job id
ARGV[2]  attempt that ended, or '' whichever is current
ARGV[3]  node it ended on, or ''
ARGV[4]  DONE, FAILED or CANCELLED
ARGV[5]  reason, or ''
ARGV[6]  outcome
ARGV[7]  life of the outcome, ms
ARGV[8]  life of the record from now on, ms
ARGV[9]  token of this call: a repeat of it gets the first reply again
ARGV[10] test clock, or ''

Returns  {1, state before, node, attempt, age, attempt, node, …}
                                 ended now, on this node at this attempt; age is ms since the job was
                                 created; then the other attempts that were live, to be stopped
         {0, 'already', state}   it had ended before (sent twice, or too late)
         {0, 'not_found'}        no such job
         {0, 'stale_attempt'}    the node never held the attempt, or answered it; or a newer one goes on
         {0, 'open', state}      DONE needs that all was heard
         {0, 'late', state}      DONE needs that an answer is still wanted
         {0, 'illegal', state}   DONE needs a node that has the job
]]
local job, payload, outcome, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_id, attempt, node_id, target, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local text, outcome_ms, retention_ms, call, test_clock = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
--- @include "shared/now_ms"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'utterance_index', 'created_at_ms',
  'ended_by', 'ended_from', 'ended_at_ms', 'live', 'node:' .. attempt, 'answered:' .. attempt,
  'open_until_ms', 'whole_from', 'answer_by_ms')
local state, current = record[1], record[2]
if not state then
  return {0, 'not_found'}
end
local repeats = record[6] == call and state ~= 'RELEASED'
local by = attempt ~= '' and attempt or current
local holder = record[10] or by == current and record[3]
if not repeats then
  local is_older = by ~= current
  local is_partial = tonumber(by) < tonumber(record[13] or 0)
  local is_late = is_older and (target ~= 'DONE' or record[11] == '1' or is_partial)
  if attempt ~= '' and (node_id == '' or holder ~= node_id or is_late) then
    return {0, 'stale_attempt'}
  end
  if state == 'DONE' or state == 'FAILED' or state == 'CANCELLED' or state == 'RELEASED' then
    return {0, 'already', state}
  end
  if target == 'DONE' and record[12] then
    return {0, 'open', state}
  end
  if target == 'DONE' and attempt == '' and (state == 'SELECTING' or state == 'RETRYING') then
    return {0, 'illegal', state}
  end
  local now = now_ms(test_clock)
  if target == 'DONE' and record[14] and now > tonumber(record[14]) then
    return {0, 'late', state}
  end
  record[7], record[8] = state, string.format('%d', now)
  redis.call('HSET', job, 'state', target, 'ended_as', target, 'reason', reason, 'ended_by', call,
    'ended_from', state, 'ended_at_ms', record[8], 'deadline_at_ms', now + outcome_ms,
    'at:' .. by .. ':' .. target, record[8])
  if is_older then
    redis.call('HSET', job, 'ended_attempt', by, 'node_id', node_id)
  end
  redis.call('PEXPIRE', job, retention_ms)
  redis.call('DEL', payload)
  redis.call('SET', outcome, text, 'PX', outcome_ms)
  redis.call('ZADD', outbox, record[4], job_id)
  redis.call('PEXPIRE', outbox, outcome_ms)
end
local reply = {1, record[7], attempt ~= '' and node_id or record[3], by, record[8] - record[5]}
for other in string.gmatch((record[9] or '') .. ',' .. current, '[^,]+') do
  local node = other ~= by and redis.call('HGET', job, 'node:' .. other)
  if node and node ~= '' then
    reply[#reply + 1] = other
    reply[#reply + 1] = node
  end
end
return reply
