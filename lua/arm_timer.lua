--[[
arm_timer: wake somebody when an entity's next step is due (C23); a later call moves the moment.

KEYS[1]  {p}:v2:{t:<n>}:timers  ZSET  entity, scored by the moment it is due (ms)
ARGV[1]  entity
ARGV[2]  time until it is due, ms
ARGV[3]  test clock, or ''

Returns  {1, moment}  armed
]]
local timers = KEYS[1]
local entity, delay_ms, test_clock = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
local due_at_ms = now_ms(test_clock) + delay_ms
redis.call('ZADD', timers, due_at_ms, entity)
return {1, due_at_ms}
