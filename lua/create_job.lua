--[[
create_job: bind a request and create its job in one step (J2, J4, C9); a repeat finds the first.

KEYS[1]  {p}:v2:{session:<id>}:job:<job>        HASH    the job record
KEYS[2]  {p}:v2:{session:<id>}:payload:<job>    STRING  the assign frame, kept until the job ends
KEYS[3]  {p}:v2:{session:<id>}:bind:<utterance> STRING  job id bound to the utterance
KEYS[4]  {p}:v2:{session:<id>}:bind:<request>   STRING  job id bound to the request id; else KEYS[3] again
ARGV[1]  job id
ARGV[2]  node the caller reserves at in the same breath, or '' when none is free
ARGV[3]  time until the next step must have happened, ms
ARGV[4]  assign frame
ARGV[5]  life of the bindings, ms
ARGV[6]  life of the record and the frame while nothing happens, ms
ARGV[7]  test clock, or ''
ARGV[8]  how long its speech may last, ms, where it is created when that begins; else ''
ARGV[9…] facts: field, value, … (session, tenant, index, trace, need)

Returns  {1, now}                 created: RESERVED with a node, SELECTING without
         {0, 'exists', job id}    the utterance or the request has a job already
]]
local job, payload, utterance, request = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_id, node_id, deadline_ms, frame = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local bind_ms, life_ms, test_clock, open_ms = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local named = request ~= utterance
--- @include "shared/now_ms"
local bound = named and (redis.call('GET', utterance) or redis.call('GET', request))
if not bound and not redis.call('SET', utterance, job_id, 'PX', bind_ms, 'NX') then
  bound = redis.call('GET', utterance)
end
if bound and bound ~= job_id then
  return {0, 'exists', bound}
end
local now = now_ms(test_clock)
if bound then
  return {1, now}
end
local state = node_id == '' and 'SELECTING' or 'RESERVED'
local at = string.format('%d', now)
if named then
  redis.call('SET', request, job_id, 'PX', bind_ms)
end
redis.call('SET', payload, frame, 'PX', life_ms)
redis.call('HSET', job, 'job_id', job_id, 'state', state, 'attempt', '1', 'node_id', node_id, 'node:1', node_id,
  'created_at_ms', at, 'deadline_at_ms', now + deadline_ms, 'at:1:NEW', at, 'at:1:' .. state, at,
  unpack(ARGV, 9, #ARGV))
if open_ms then
  redis.call('HSET', job, 'open_until_ms', now + open_ms)
  if node_id == '' then
    redis.call('HSET', job, 'deadline_at_ms', now + open_ms)
  end
end
redis.call('PEXPIRE', job, life_ms)
return {1, now}
