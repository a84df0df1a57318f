--[[
release_job: the speaker has the outcome and the slot is free; the job is over (l in docs/architecture.md).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
KEYS[2]  {p}:v2:{session:<id>}:outbox     ZSET  job ids not handed over, scored by utterance index
ARGV[1]  job id
ARGV[2]  test clock, or ''

Returns  {1}                    over
         {0, 'already'}         it was before
         {0, 'not_found'}       no such job
         {0, 'illegal', state}  it has not ended
]]
local job, outbox = KEYS[1], KEYS[2]
local job_id, test_clock = ARGV[1], ARGV[2]
--- @include "shared/now_ms"
local record = redis.call('HMGET', job, 'state', 'attempt')
local state = record[1]
if not state then
  return {0, 'not_found'}
end
if state == 'RELEASED' then
  return {0, 'already'}
end
if state ~= 'DONE' and state ~= 'FAILED' and state ~= 'CANCELLED' then
  return {0, 'illegal', state}
end
redis.call('ZREM', outbox, job_id)
redis.call('HSET', job, 'state', 'RELEASED', 'at:' .. record[2] .. ':RELEASED', now_ms(test_clock))
return {1}
