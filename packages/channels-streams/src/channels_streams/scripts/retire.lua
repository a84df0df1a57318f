--[[
retire: end the presence of a process that stops in order; what it leaves is taken over at once.

KEYS[1]  {p}:{process:<iid>}:stream    STREAM  the inbox
KEYS[2]  {p}:{process:<iid>}:presence  STRING  there while the process lives

Returns  {1, left}  entries left in the inbox; at 0 the inbox is removed
]]
local inbox, presence = KEYS[1], KEYS[2]

redis.call('DEL', presence)
local left = redis.call('XLEN', inbox)
if left == 0 then
  redis.call('DEL', inbox)
end
return {1, left}
