--[[
take_tokens: a token bucket: so many at once, so many a second over a longer while.

KEYS[1]  {p}:v2:{principal:<id>}:bucket:<name>  HASH  tokens, filled_at_ms
ARGV[1]  how many to take
ARGV[2]  tokens gained a second
ARGV[3]  the most the bucket holds
ARGV[4]  test clock, or ''

Returns  {1}              taken
         {0, 'empty', ms} too fast; how long until there are enough
]]
local bucket = KEYS[1]
local cost, per_s, burst, test_clock = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
local kept = redis.call('HMGET', bucket, 'tokens', 'filled_at_ms')
local gained = math.max(now - tonumber(kept[2] or now), 0) * per_s / 1000
local tokens = math.min(burst, tonumber(kept[1] or burst) + gained)
if tokens < cost then
  return {0, 'empty', math.ceil((cost - tokens) * 1000 / per_s)}
end
redis.call('HSET', bucket, 'tokens', tostring(tokens - cost), 'filled_at_ms', now)
-- A bucket that has been full for a second is as good as none.
redis.call('PEXPIRE', bucket, math.ceil(burst * 1000 / per_s) + 1000)
return {1}
