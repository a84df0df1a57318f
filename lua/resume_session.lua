--[[
resume_session: a speaker is back on a new socket, here or elsewhere; the newest one wins.

KEYS[1]  {p}:v2:{session:<id>}:info  HASH  instance_id, conn_epoch, profile, resume_token, next_index
ARGV[1]  token the speaker shows
ARGV[2]  id of the instance that holds the new socket
ARGV[3]  life without renewal, ms
ARGV[4]  test clock, or ''

Returns  {1, epoch, instance before, profile, next index}  resumed
         {0, 'unknown'}                                    no such session, or it cannot be resumed
         {0, 'wrong_token'}                                the token is another session's
]]
local info = KEYS[1]
local token, instance_id, life_ms, test_clock = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
--- @include "shared/now_ms"
local session = redis.call('HMGET', info, 'resume_token', 'conn_epoch', 'instance_id', 'profile', 'next_index')
if not session[1] then
  return {0, 'unknown'}
end
if session[1] ~= token then
  return {0, 'wrong_token'}
end
local epoch = math.max(tonumber(session[2]) + 1, now_ms(test_clock))
redis.call('HSET', info, 'instance_id', instance_id, 'conn_epoch', epoch)
redis.call('PEXPIRE', info, life_ms)
return {1, epoch, session[3], session[4], session[5] or '0'}
