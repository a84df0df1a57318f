--[[
list_group: list the members of a group whose membership has not ended.

KEYS[1]  {p}:{group:<name>}:members  ZSET  member, scored by the end of membership (ms)

Returns  {1, member…}
]]
--- @include "shared/redis_now"
local group = KEYS[1]

local reply = {1}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', group, string.format('(%d', redis_now()), '+inf')) do
  reply[#reply + 1] = member
end
return reply
