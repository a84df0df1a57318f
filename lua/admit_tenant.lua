--[[
admit_tenant: count a job for its tenant, if it may have one more and did not just have too many.

KEYS[1]  {p}:v2:{tenant:<id>}:jobs  ZSET  job id, scored by the end of its lease (ms)
KEYS[2]  {p}:v2:{tenant:<id>}:rate  HASH  tokens, at_ms: a token bucket
ARGV[1]  job id
ARGV[2]  jobs the tenant may have at once, 0 any number
ARGV[3]  jobs a second over a longer while, 0 any number
ARGV[4]  jobs at once before the rate counts
ARGV[5]  lease, ms: longer than a job can live
ARGV[6]  test clock, or ''

Returns  {1, count}       counted; jobs the tenant has now
         {0, 'limit', ms} it has as many as it may; a guess when to try again
         {0, 'rate', ms}  it asks too often; when the next is allowed
]]
local jobs, rate = KEYS[1], KEYS[2]
local job_id, most, per_s, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lease_ms, test_clock = tonumber(ARGV[5]), ARGV[6]
--- @include "shared/now_ms"
--- @include "shared/hold_until"
local now = now_ms(test_clock)
redis.call('ZREMRANGEBYSCORE', jobs, '-inf', now)
local count = redis.call('ZCARD', jobs)
if redis.call('ZSCORE', jobs, job_id) then
  return {1, count}
end
if most > 0 and count >= most then
  return {0, 'limit', 1000}
end
if per_s > 0 then
  local bucket = redis.call('HMGET', rate, 'tokens', 'at_ms')
  local passed_ms = math.max(now - tonumber(bucket[2] or now), 0)
  local tokens = math.min(tonumber(bucket[1] or burst) + passed_ms * per_s / 1000, burst)
  if tokens < 1 then
    return {0, 'rate', math.ceil((1 - tokens) * 1000 / per_s)}
  end
  redis.call('HSET', rate, 'tokens', tostring(tokens - 1), 'at_ms', now)
  redis.call('PEXPIRE', rate, math.ceil(burst * 1000 / per_s) + 60000)
end
hold_until(jobs, job_id, now, lease_ms, count)
return {1, count + 1}
