--[[
complete_job: the speech of an open job is over; from now on its frame has all of it (SP4, SP7).

The time to work begins here, and what was said is safe. A job without a node waits for any that takes it whole.
A repeat changes nothing, and is told who has it now.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>      HASH    the job record
KEYS[2]  {p}:v2:{session:<id>}:payload:<job>  STRING  the assign frame
KEYS[3]  {p}:v2:{session:<id>}:info           HASH    conn_epoch, next_index, safe_seq, …
KEYS[4]  {p}:v2:{session:<id>}:tracked        ZSET    job id, scored by utterance index
ARGV[1]  assign frame with the whole audio
ARGV[2]  need of a job that is given whole, JSON
ARGV[3]  time to work on it, ms
ARGV[4]  time to find a node, ms
ARGV[5]  life of the record and the frame while nothing happens, ms
ARGV[6]  job id
ARGV[7]  epoch of the socket it was heard on, where its speaker repeats what is lost with that; else ''
ARGV[8]  last of the speaker's chunks that is safe with this, -1 where that does not change
ARGV[9]  life of the session without another utterance, ms
ARGV[10] moment after which no answer is wanted, ms since 1970; else ''
ARGV[11] test clock, or ''

Returns  {1, state, attempt, node}   complete, now or before; the node that hears the attempt as it is spoken,
                                     '' where none does
         {0, 'ended', state}         it ended while it was open
         {0, 'elsewhere'}            the session goes on at another socket, which hears it again
         {0, 'not_found'}            no such job
]]
local job, payload, info, tracked = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local frame, need, run_ms, pending_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local life_ms, job_id, conn_epoch = ARGV[5], ARGV[6], ARGV[7]
local safe_seq, session_ms, answer_by, test_clock = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
--- @include "shared/now_ms"
--- @include "shared/is_elsewhere"
--- @include "shared/track"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'open_until_ms', 'deadline_at_ms',
  'whole_from', 'utterance_index')
local state, attempt, node_id = record[1], record[2], record[3]
if not state then
  return {0, 'not_found'}
end
if state == 'DONE' or state == 'FAILED' or state == 'CANCELLED' or state == 'RELEASED' then
  return {0, 'ended', state}
end
if not record[4] then
  return {1, state, tonumber(attempt), record[6] == attempt and node_id or ''}
end
if is_elsewhere(info, conn_epoch) then
  return {0, 'elsewhere'}
end
local now = now_ms(test_clock)
local deadline = tonumber(record[5])
if state == 'ACKED' or state == 'RUNNING' then
  deadline = now + run_ms
elseif state == 'SELECTING' or state == 'RETRYING' then
  deadline = now + pending_ms
end
redis.call('HDEL', job, 'open_until_ms')
redis.call('HSET', job, 'need', need, 'whole_from', attempt, 'deadline_at_ms', deadline)
if answer_by ~= '' then
  redis.call('HSET', job, 'answer_by_ms', answer_by)
end
redis.call('PEXPIRE', job, life_ms)
redis.call('SET', payload, frame, 'PX', life_ms)
if conn_epoch ~= '' then
  track(info, tracked, job_id, record[7], session_ms, safe_seq)
end
return {1, state, tonumber(attempt), node_id}
