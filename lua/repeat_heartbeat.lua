--[[
repeat_heartbeat: a node lives, and is as it was when its last whole heartbeat was recorded (N5, PF3).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, conn_epoch, draining, held, standing, …
ARGV[1]  what `record_heartbeat` showed of it then
ARGV[2]  usage: JSON of cpu, gpu and memory percent where it is another, else ''
ARGV[3]  life of the record without a heartbeat, ms
ARGV[4]  test clock, or ''

Returns  {1}             noted
         {0, 'changed'}  it is not as it was, or not known: nothing is noted, the whole heartbeat tells what is so
]]
local info = KEYS[1]
local shown, usage, life_ms, test_clock = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--- @include "shared/now_ms"
--- @include "shared/show_node"
local node = redis.call('HMGET', info, 'conn_epoch', 'status', 'draining', 'held', 'standing')
if not node[2] or show_node(unpack(node, 1, 5)) ~= shown then
  return {0, 'changed'}
end
local now = now_ms(test_clock)
if usage == '' then
  redis.call('HSET', info, 'heartbeat_at_ms', now)
else
  redis.call('HSET', info, 'heartbeat_at_ms', now, 'usage', usage)
end
redis.call('PEXPIRE', info, life_ms)
return {1}
