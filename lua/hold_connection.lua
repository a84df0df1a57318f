--[[
hold_connection: one more socket of a principal, or a renewal of one it has.

KEYS[1]  {p}:v2:{principal:<id>}:sockets  ZSET  connection id, scored by the end of its lease (ms)
ARGV[1]  id of the connection
ARGV[2]  sockets the principal may have at once
ARGV[3]  length of the lease, ms
ARGV[4]  test clock, or ''

Returns  {1}          held until the lease ends
         {0, 'full'}  the principal has as many as it may
]]
local sockets = KEYS[1]
local connection_id, most, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local test_clock = ARGV[4]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
local held = redis.call('ZCOUNT', sockets, '(' .. now, '+inf')
local renews = redis.call('ZSCORE', sockets, connection_id)
if not renews and held >= most then
  return {0, 'full'}
end
redis.call('ZREMRANGEBYSCORE', sockets, '-inf', now)
redis.call('ZADD', sockets, now + lease_ms, connection_id)
redis.call('PEXPIRE', sockets, lease_ms)
return {1}
