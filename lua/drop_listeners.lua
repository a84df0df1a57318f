--[[
drop_listeners: an instance is gone, and with it all who listened there (RM6).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH  want:<language>
KEYS[2]  {p}:v2:{room:<code>}:listeners  HASH  listener's id → JSON of its seat
ARGV[1]  id of the instance

Returns  {1, count}  so many seats are free
]]
local state, listeners = KEYS[1], KEYS[2]
local instance_id = ARGV[1]
--- @include "shared/want"
local dropped = 0
local seats = redis.call('HGETALL', listeners)
for at = 1, #seats, 2 do
  local seat = cjson.decode(seats[at + 1])
  if seat.instance_id == instance_id then
    redis.call('HDEL', listeners, seats[at])
    want(state, seat.lang, -1)
    dropped = dropped + 1
  end
end
return {1, dropped}
