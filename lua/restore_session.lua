--[[
restore_session: a session that Redis lost is written back by a socket that has it; the newest one wins.

Of sockets that nobody told of each other, an older one may come first: it gives way.

KEYS[1]  {p}:v2:{session:<id>}:info  HASH  instance_id, conn_epoch, profile, opened_at_ms,
                                           resume_token, owner, owner_tenant
ARGV[1]  id of the instance that holds the socket
ARGV[2]  profile: JSON of languages, mode and features
ARGV[3]  life without renewal, ms
ARGV[4]  token that lets the speaker resume, or ''
ARGV[5]  id of the principal that opened it, or ''
ARGV[6]  tenant its credential is bound to, or ''
ARGV[7]  epoch of the socket, 0 for a session without one: it may only be there no more
ARGV[8]  test clock, or ''

Returns  {1, instance before}  written back; the instance of the older socket that had done so, or ''
         {0, 'exists', epoch}  it is there: this socket's, or a newer one's where that is greater
]]
local info = KEYS[1]
local instance_id, profile, life_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local token, principal_id, tenant_id = ARGV[4], ARGV[5], ARGV[6]
local epoch, test_clock = tonumber(ARGV[7]), ARGV[8]
--- @include "shared/now_ms"
--- @include "shared/write_session"
local held = redis.call('HMGET', info, 'conn_epoch', 'instance_id')
if held[1] and tonumber(held[1]) >= epoch then
  return {0, 'exists', held[1]}
end
local now = now_ms(test_clock)
if epoch == 0 then
  epoch = now
end
write_session(info, instance_id, epoch, profile, now, token, principal_id, tenant_id, life_ms)
return {1, held[2] or ''}
