--[[
publish_credential: what the database says of a token becomes what sockets go by.

KEYS[1]  {p}:v2:{creds}:token:<prefix>  HASH  version, record
KEYS[2]  {p}:v2:{creds}:changes         ZSET  prefix, scored by the moment it last changed (ms)
ARGV[1]  prefix of the token
ARGV[2]  version of the record; it grows with each change in the database
ARGV[3]  record: JSON of digest, principal and whether it is revoked
ARGV[4]  life without another publication, ms
ARGV[5]  how long a change is told, ms
ARGV[6]  test clock, or ''

Returns  {1}           sockets go by this record; if they did already, its life is renewed
         {0, 'stale'}  a newer record is published
]]
local token, changes = KEYS[1], KEYS[2]
local prefix, version, record = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local life_ms, told_ms, test_clock = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
--- @include "shared/now_ms"
local known = tonumber(redis.call('HGET', token, 'version') or 0)
if known > version then
  return {0, 'stale'}
end
redis.call('HSET', token, 'version', version, 'record', record)
redis.call('PEXPIRE', token, life_ms)
if known == version then
  return {1}
end
local now = now_ms(test_clock)
redis.call('ZADD', changes, now, prefix)
redis.call('ZREMRANGEBYSCORE', changes, '-inf', now - told_ms)
redis.call('PEXPIRE', changes, told_ms)
return {1}
