--[[
complete_job: the speech of an open job is over; from now on its frame has all of it (SP4, SP7).

The time to work begins here. A job without a node waits for any that takes it whole. A repeat changes nothing,
and is told who has it now.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>      HASH    the job record
KEYS[2]  {p}:v2:{session:<id>}:payload:<job>  STRING  the assign frame
ARGV[1]  assign frame with the whole audio
ARGV[2]  need of a job that is given whole, JSON
ARGV[3]  time to work on it, ms
ARGV[4]  time to find a node, ms
ARGV[5]  life of the record and the frame while nothing happens, ms
ARGV[6]  test clock, or ''

Returns  {1, state, attempt, node}   complete, now or before; the node that hears the attempt as it is spoken,
                                     '' where none does
         {0, 'ended', state}         it ended while it was open
         {0, 'not_found'}            no such job
]]
local job, payload = KEYS[1], KEYS[2]
local frame, need, run_ms, pending_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local life_ms, test_clock = ARGV[5], ARGV[6]
--- @include "shared/now_ms"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'open_until_ms', 'deadline_at_ms',
  'whole_from')
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
local now = now_ms(test_clock)
local deadline = tonumber(record[5])
if state == 'ACKED' or state == 'RUNNING' then
  deadline = now + run_ms
elseif state == 'SELECTING' or state == 'RETRYING' then
  deadline = now + pending_ms
end
redis.call('HDEL', job, 'open_until_ms')
redis.call('HSET', job, 'need', need, 'whole_from', attempt, 'deadline_at_ms', deadline)
redis.call('PEXPIRE', job, life_ms)
redis.call('SET', payload, frame, 'PX', life_ms)
return {1, state, tonumber(attempt), node_id}
