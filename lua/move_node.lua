--[[
move_node: a node that asks over HTTP asked another instance; its connection goes there (N18).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, conn_epoch, instance_id, resume_token, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
ARGV[1]  resume token the node shows
ARGV[2]  id of the instance it asked
ARGV[3]  test clock, or ''

Returns  {1, load, {attempt…}, {field, value…}}  moved; what is sent and not accepted, the record
         {0, 'unknown'}                          no such node, or it is offline: it must register
         {0, 'conflict'}                         the token is not its connection's
]]
local info, resv, run = KEYS[1], KEYS[2], KEYS[3]
local token, instance_id, test_clock = ARGV[1], ARGV[2], ARGV[3]
--- @include "shared/now_ms"
--- @include "shared/live_load"
local node = redis.call('HMGET', info, 'status', 'resume_token', 'conn_epoch')
if not node[1] or node[1] == 'offline' then
  return {0, 'unknown'}
end
if token == '' or node[2] ~= token then
  return {0, 'conflict'}
end
local now = now_ms(test_clock)
redis.call('HSET', info, 'instance_id', instance_id,
  'conn_epoch', math.max(tonumber(node[3]) + 1, now))
local reserved, running = live_load(resv, run, now)
return {1, reserved + running, redis.call('ZRANGE', resv, 0, -1), redis.call('HGETALL', info)}
