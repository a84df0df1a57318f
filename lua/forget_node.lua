--[[
forget_node: a node was silent for too long; nothing of it stays (N13).

KEYS[1]  {p}:v2:{node:<id>}:info     HASH  status, heartbeat_at_ms, …
KEYS[2]  {p}:v2:{node:<id>}:resv     ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run      ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap      HASH  mirror of the counters
KEYS[5]  {p}:v2:{node:<id>}:unavail  ZSET  service id, scored by the end of its mark (ms)
KEYS[6]  {p}:v2:{node:<id>}:stamp    HASH  what its pools were last computed from
ARGV[1]  silence after which it is forgotten, ms
ARGV[2]  test clock, or ''

Returns  {1}           nothing of it is left
         {0, 'alive'}  it was heard of meanwhile
]]
local info, resv, run, cap, unavail, stamp = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local silent_ms, test_clock = tonumber(ARGV[1]), ARGV[2]
--- @include "shared/now_ms"
local heard_at_ms = redis.call('HGET', info, 'heartbeat_at_ms')
if heard_at_ms and tonumber(heard_at_ms) + silent_ms > now_ms(test_clock) then
  return {0, 'alive'}
end
redis.call('DEL', info, resv, run, cap, unavail, stamp)
return {1}
