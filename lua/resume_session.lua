--[[
resume_session: a speaker is back on a new socket, here or elsewhere; the newest one wins.

KEYS[1]  {p}:v2:{session:<id>}:info  HASH  instance_id, conn_epoch, profile, resume_token, next_index, owner,
                                           owner_tenant, safe_seq
ARGV[1]  token the speaker shows
ARGV[2]  id of the instance that holds the new socket
ARGV[3]  life without renewal, ms
ARGV[4]  id of the principal that shows it, or ''
ARGV[5]  tenant its credential is bound to, or ''
ARGV[6]  test clock, or ''

Returns  {1, epoch, instance before, profile, next index, safe seq}
                                                           resumed; the last chunk that is safe, -1 for none
         {0, 'unknown'}                                    no such session, or it cannot be resumed
         {0, 'wrong_token'}                                the token is another session's
         {0, 'foreign'}                                    another principal's, and of no tenant of its own
]]
local info = KEYS[1]
local token, instance_id, life_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local principal_id, tenant_id, test_clock = ARGV[4], ARGV[5], ARGV[6]
--- @include "shared/now_ms"
local session = redis.call('HMGET', info, 'resume_token', 'conn_epoch', 'instance_id', 'profile', 'next_index',
  'owner', 'owner_tenant', 'safe_seq')
if not session[1] then
  return {0, 'unknown'}
end
if session[1] ~= token then
  return {0, 'wrong_token'}
end
if session[6] and session[6] ~= principal_id and (tenant_id == '' or session[7] ~= tenant_id) then
  return {0, 'foreign'}
end
local epoch = math.max(tonumber(session[2]) + 1, now_ms(test_clock))
redis.call('HSET', info, 'instance_id', instance_id, 'conn_epoch', epoch)
redis.call('PEXPIRE', info, life_ms)
return {1, epoch, session[3], session[4], session[5] or '0', session[8] or '-1'}
