--[[
take_share: let a job have one of the slots guaranteed to its tenant, or one of those nobody is owed.

KEYS[1]  {p}:v2:{shares}:own:<tenant>  ZSET  job id, scored by the end of its lease (ms)
KEYS[2]  {p}:v2:{shares}:lent          ZSET  job id, scored by the end of its lease (ms)
ARGV[1]  job id
ARGV[2]  slots guaranteed to the tenant
ARGV[3]  slots that are nobody's by guarantee
ARGV[4]  lease, ms: longer than a job can live
ARGV[5]  test clock, or ''

Returns  {1, held, 'own'}      within the guarantee; shares the tenant holds of it
         {1, held, 'lent'}     beyond it, from what is nobody's
         {1, held, 'already'}  the job has its share
         {0, 'owed', held}     what is left is owed to others
]]
local own, lent = KEYS[1], KEYS[2]
local job_id, guaranteed, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local lease_ms, test_clock = tonumber(ARGV[4]), ARGV[5]
--- @include "shared/now_ms"
--- @include "shared/is_held"
--- @include "shared/hold_until"
local now = now_ms(test_clock)
redis.call('ZREMRANGEBYSCORE', own, '-inf', now)
redis.call('ZREMRANGEBYSCORE', lent, '-inf', now)
local held = redis.call('ZCARD', own)
if is_held(own, job_id, now) or is_held(lent, job_id, now) then
  return {1, held, 'already'}
end
if held < guaranteed then
  hold_until(own, job_id, now, lease_ms)
  return {1, held + 1, 'own'}
end
if redis.call('ZCARD', lent) < free then
  hold_until(lent, job_id, now, lease_ms)
  return {1, held, 'lent'}
end
return {0, 'owed', held}
