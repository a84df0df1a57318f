--[[
join_group: make a process or a foreign channel a member of a group, or renew it.

KEYS[1]  {p}:{group:<name>}:members  ZSET  member, scored by the end of membership (ms)
ARGV[1]  member
ARGV[2]  how long the membership lasts, ms

Returns  {1, members}  how many there are now
]]
--- @include "shared/redis_now"
local group, member, ttl_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])

local now_ms = redis_now()
redis.call('ZREMRANGEBYSCORE', group, '-inf', string.format('%d', now_ms))
redis.call('ZADD', group, string.format('%d', now_ms + ttl_ms), member)
redis.call('PEXPIRE', group, ttl_ms)
return {1, redis.call('ZCARD', group)}
