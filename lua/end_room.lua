--[[
end_room: a room is over, for nothing was said in it for long, or because somebody ends it (RM1).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH    room_id, active_at_ms
KEYS[2]  {p}:v2:{room:<code>}:members    HASH    session id → JSON of its seat
KEYS[3]  {p}:v2:{room:<code>}:listeners  HASH    listener's id → JSON of its seat
KEYS[4]  {p}:v2:{room:<code>}:captions   STREAM  what was said in the last minutes
ARGV[1]  how long it must have been idle, ms; 0 to end it at once
ARGV[2]  test clock, or ''

Returns  {1}                over
         {0, 'unknown'}     no such room
         {0, 'alive', ms}   it has so much time left
]]
local state, members, listeners, captions = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local idle_ms, test_clock = tonumber(ARGV[1]), ARGV[2]
--- @include "shared/now_ms"
local active_at_ms = tonumber(redis.call('HGET', state, 'active_at_ms') or 'nan')
if active_at_ms ~= active_at_ms then
  return {0, 'unknown'}
end
local left_ms = active_at_ms + idle_ms - now_ms(test_clock)
if idle_ms > 0 and left_ms > 0 then
  return {0, 'alive', left_ms}
end
redis.call('DEL', state, members, listeners, captions)
return {1}
