--[[
take_attempt: one more try at something that has failed before; each costs a longer wait.

KEYS[1]  {p}:v2:{principal:<id>}:attempts  HASH  count, until_ms, last
ARGV[1]  id of this try, so that a lost reply costs nobody a second one
ARGV[2]  tries without a wait
ARGV[3]  wait after those, ms; it doubles with each
ARGV[4]  the longest wait, ms
ARGV[5]  test clock, or ''

Returns  {1}              try it; it counts as failed until the key is dropped
         {0, 'early', ms} how long until the next
]]
local attempts = KEYS[1]
local try, free, first_ms, longest_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local test_clock = ARGV[5]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
local kept = redis.call('HMGET', attempts, 'count', 'until_ms', 'last')
if kept[3] == try then
  return {1}
end
local until_ms = tonumber(kept[2] or 0)
if now < until_ms then
  return {0, 'early', until_ms - now}
end
local count = tonumber(kept[1] or 0) + 1
local wait_ms = 0
if count >= free then
  wait_ms = math.min(first_ms * 2 ^ math.min(count - free, 40), longest_ms)
end
redis.call('HSET', attempts, 'count', count, 'until_ms', now + wait_ms, 'last', try)
redis.call('PEXPIRE', attempts, 2 * longest_ms)
return {1}
