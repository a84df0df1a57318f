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
ARGV[5]  facts: field, value, … flattened as JSON array (session, tenant, languages, index, trace)
ARGV[6]  life of the bindings, ms
ARGV[7]  life of the record and the frame while nothing happens, ms
ARGV[8]  test clock, or ''

Returns  {1, now}                 created: RESERVED with a node, SELECTING without
         {0, 'exists', job id}    the utterance or the request has a job already
]]
local job, payload, utterance, request = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_id, node_id, deadline_ms, frame = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local facts, bind_ms, life_ms, test_clock = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
--- @include "shared/now_ms"
local bound = redis.call('GET', utterance) or redis.call('GET', request)
if bound and bound ~= job_id then
  return {0, 'exists', bound}
end
local now = now_ms(test_clock)
if bound then
  return {1, now}
end
local state = node_id == '' and 'SELECTING' or 'RESERVED'
redis.call('SET', utterance, job_id, 'PX', bind_ms)
redis.call('SET', request, job_id, 'PX', bind_ms)
redis.call('SET', payload, frame, 'PX', life_ms)
redis.call('HSET', job, unpack(cjson.decode(facts)))
redis.call('HSET', job, 'job_id', job_id, 'state', state, 'attempt', 1, 'node_id', node_id,
  'created_at_ms', now, 'deadline_at_ms', now + deadline_ms, 'at:1:NEW', now, 'at:1:' .. state, now)
redis.call('PEXPIRE', job, life_ms)
return {1, now}
