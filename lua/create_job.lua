--[[
create_job: bind a request and create its job in one step (J2, J4, C9); a repeat finds the first.

What was heard on a socket that its speaker repeats from elsewhere is remembered in the same step, and not created
once the session is there (SP9).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>        HASH    the job record
KEYS[2]  {p}:v2:{session:<id>}:payload:<job>    STRING  the assign frame, kept until the job ends
KEYS[3]  {p}:v2:{session:<id>}:bind:<utterance> STRING  job id bound to the utterance
KEYS[4]  {p}:v2:{session:<id>}:bind:<request>   STRING  job id bound to the request id; else KEYS[3] again
KEYS[5]  {p}:v2:{session:<id>}:info             HASH    conn_epoch, next_index, safe_seq, …
KEYS[6]  {p}:v2:{session:<id>}:tracked          ZSET    job id, scored by utterance index
ARGV[1]  job id
ARGV[2]  node the caller reserves at in the same breath, or '' when none is free
ARGV[3]  time until the next step must have happened, ms
ARGV[4]  assign frame
ARGV[5]  life of the bindings, ms
ARGV[6]  life of the record and the frame while nothing happens, ms
ARGV[7]  test clock, or ''
ARGV[8]  how long its speech may last, ms, where it is created when that begins; else ''
ARGV[9]  epoch of the socket it was heard on, where its speaker repeats what is lost with that; else ''
ARGV[10] utterance index
ARGV[11] last of the speaker's chunks that is safe with this, -1 where that does not change
ARGV[12] life of the session without another utterance, ms
ARGV[13…] facts: field, value, … (session, tenant, index, trace, need)

Returns  {1, now}                 created: RESERVED with a node, SELECTING without
         {0, 'exists', job id}    the utterance or the request has a job already
         {0, 'elsewhere'}         the session goes on at another socket, which hears it again
]]
local job, payload, utterance, request, info, tracked = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local job_id, node_id, deadline_ms, frame = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local bind_ms, life_ms, test_clock, open_ms = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local conn_epoch, index, safe_seq, session_ms = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local named = request ~= utterance
--- @include "shared/now_ms"
--- @include "shared/is_elsewhere"
--- @include "shared/track"
if is_elsewhere(info, conn_epoch) and redis.call('GET', utterance) ~= job_id then
  return {0, 'elsewhere'}
end
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
  unpack(ARGV, 13, #ARGV))
if open_ms then
  redis.call('HSET', job, 'open_until_ms', now + open_ms)
  if node_id == '' then
    redis.call('HSET', job, 'deadline_at_ms', now + open_ms)
  end
end
redis.call('PEXPIRE', job, life_ms)
if conn_epoch ~= '' then
  track(info, tracked, job_id, index, session_ms, safe_seq)
end
return {1, now}
