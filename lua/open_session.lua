--[[
open_session: a speaker's socket becomes a session.

KEYS[1]  {p}:v2:{session:<id>}:info  HASH  instance_id, conn_epoch, profile, opened_at_ms,
                                           resume_token, owner, owner_tenant
ARGV[1]  id of the instance that holds the socket
ARGV[2]  profile: JSON of languages, mode and features
ARGV[3]  life without renewal, ms
ARGV[4]  token that lets the speaker resume, or '' where it knows nothing of that
ARGV[5]  id of the principal that opens it, or '' where nobody says who comes
ARGV[6]  tenant its credential is bound to, or ''
ARGV[7]  test clock, or ''

Returns  {1, epoch}     open
         {0, 'exists'}  the id is taken: the caller draws another
]]
local info = KEYS[1]
local instance_id, profile, life_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local token, principal_id, tenant_id, test_clock = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
--- @include "shared/now_ms"
--- @include "shared/write_session"
if redis.call('EXISTS', info) == 1 then
  return {0, 'exists'}
end
local now = now_ms(test_clock)
write_session(info, instance_id, now, profile, now, token, principal_id, tenant_id, life_ms)
return {1, now}
