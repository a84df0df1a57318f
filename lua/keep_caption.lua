--[[
keep_caption: something was said in a room; who joins later may read it for some minutes (RM6).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH    room_id, active_at_ms
KEYS[2]  {p}:v2:{room:<code>}:members    HASH    session id → JSON of its seat
KEYS[3]  {p}:v2:{room:<code>}:listeners  HASH    listener's id → JSON of its seat
KEYS[4]  {p}:v2:{room:<code>}:captions   STREAM  caption: JSON
ARGV[1]  JSON of the caption
ARGV[2]  how long it is kept, ms; 0 for not
ARGV[3]  most captions kept
ARGV[4]  life of the room without activity, ms
ARGV[5]  test clock, or ''

Returns  {1, id}         kept; '' where none are
         {0, 'unknown'}  no such room
]]
local state, members, listeners, captions = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local caption, keep_ms, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local life_ms, test_clock = tonumber(ARGV[4]), ARGV[5]
--- @include "shared/now_ms"
--- @include "shared/keep_room"
if redis.call('EXISTS', state) == 0 then
  return {0, 'unknown'}
end
local now = now_ms(test_clock)
redis.call('HSET', state, 'active_at_ms', now)
keep_room(life_ms, state, members, listeners)
local id = ''
if keep_ms > 0 then
  id = redis.call('XADD', captions, '*', 'caption', caption)
  redis.call('XTRIM', captions, 'MAXLEN', most)
  redis.call('XTRIM', captions, 'MINID', math.max(now - keep_ms, 0))
  redis.call('PEXPIRE', captions, keep_ms)
end
return {1, id}
