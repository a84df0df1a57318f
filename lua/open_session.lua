--[[
open_session: a speaker's socket becomes a session, or is one again after Redis lost it.

KEYS[1]  {p}:v2:{session:<id>}:info  HASH  instance_id, conn_epoch, profile, opened_at_ms,
                                           resume_token, owner, owner_tenant
ARGV[1]  id of the instance that holds the socket
ARGV[2]  profile: JSON of languages, mode and features
ARGV[3]  life without renewal, ms
ARGV[4]  token that lets the speaker resume, or '' where it knows nothing of that
ARGV[5]  id of the principal that opens it, or '' where nobody says who comes
ARGV[6]  tenant its credential is bound to, or ''
ARGV[7]  test clock, or ''
ARGV[8]  epoch it had before, or 0

Returns  {1, epoch}     open
         {0, 'exists'}  the id is taken: the caller draws another
]]
local info = KEYS[1]
local instance_id, profile, life_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local token, principal_id, tenant_id = ARGV[4], ARGV[5], ARGV[6]
local test_clock, epoch = ARGV[7], tonumber(ARGV[8])
--- @include "shared/now_ms"
if redis.call('EXISTS', info) == 1 then
  return {0, 'exists'}
end
local now = now_ms(test_clock)
if epoch == 0 then
  epoch = now
end
redis.call('HSET', info, 'instance_id', instance_id, 'conn_epoch', epoch, 'profile', profile,
  'opened_at_ms', now)
if token ~= '' then
  redis.call('HSET', info, 'resume_token', token)
end
if principal_id ~= '' then
  redis.call('HSET', info, 'owner', principal_id, 'owner_tenant', tenant_id)
end
redis.call('PEXPIRE', info, life_ms)
return {1, epoch}
