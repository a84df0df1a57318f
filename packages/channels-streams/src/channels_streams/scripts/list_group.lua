--[[
list_group: list the members of a group whose membership has not ended.

KEYS[1]  {p}:{group:<name>}:members  ZSET  member, scored by the end of membership (ms)

Returns  {1, member…}
]]
--- @include "shared/redis_now"
local group = KEYS[1]

local now_ms = redis_now()
-- A master that was demoted refuses here, before it answers from what it had.
redis.call('ZREMRANGEBYSCORE', group, '-inf', string.format('%d', now_ms))
local reply = {1}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', group, string.format('(%d', now_ms), '+inf')) do
  reply[#reply + 1] = member
end
return reply
