--[[
restore_job: Redis lost a job whose caller may not know its end; it is written back, ended (ED7).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>        HASH    the job record
KEYS[2]  {p}:v2:{session:<id>}:outcome:<job>    STRING  what the caller is told
KEYS[3]  {p}:v2:{session:<id>}:bind:<utterance> STRING  job id bound to the utterance
KEYS[4]  {p}:v2:{session:<id>}:bind:<request>   STRING  job id bound to the request id; else KEYS[3] again
ARGV[1]  job id
ARGV[2]  DONE, FAILED or CANCELLED
ARGV[3]  '1' when the caller knows the outcome
ARGV[4]  reason, or ''
ARGV[5]  outcome
ARGV[6]  life of the outcome, ms
ARGV[7]  life of the record from now on, ms
ARGV[8]  life of the bindings, ms
ARGV[9]  test clock, or ''
ARGV[10…] facts: field, value, … (session, tenant, index, trace, need)

Returns  {1}            written back
         {0, 'exists'}  Redis has the job: nothing was lost, or somebody was first
]]
local job, outcome, utterance, request = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_id, target, is_told, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local text, outcome_ms, retention_ms = ARGV[5], ARGV[6], ARGV[7]
local bind_ms, test_clock = ARGV[8], ARGV[9]
--- @include "shared/now_ms"
if redis.call('EXISTS', job) == 1 then
  return {0, 'exists'}
end
local now = now_ms(test_clock)
local at = string.format('%d', now)
redis.call('SET', utterance, job_id, 'PX', bind_ms, 'NX')
if request ~= utterance then
  redis.call('SET', request, job_id, 'PX', bind_ms, 'NX')
end
redis.call('SET', outcome, text, 'PX', outcome_ms)
redis.call('HSET', job, 'job_id', job_id, 'state', target, 'attempt', '1', 'node_id', '',
  'created_at_ms', at, 'ended_as', target, 'reason', reason, 'ended_at_ms', at,
  'deadline_at_ms', now + outcome_ms, 'at:1:' .. target, at, unpack(ARGV, 10, #ARGV))
if is_told == '1' then
  redis.call('HSET', job, 'state', 'RELEASED', 'at:1:RELEASED', at)
end
redis.call('PEXPIRE', job, retention_ms)
return {1}
