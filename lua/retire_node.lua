--[[
retire_node: a node's socket is gone or it fell silent; it gets no more jobs (N14, C13).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, conn_epoch, heartbeat_at_ms, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
ARGV[1]  connection epoch that ended
ARGV[2]  only when silent for longer than this, ms; 0 at once
ARGV[3]  test clock, or ''

Returns  {1, attempt…}        offline now; the attempts it still holds, for the caller to requeue
         {0, 'stale_epoch'}   it is back on a newer socket, or unknown
         {0, 'alive', rest}   not silent long enough; ms until it would be
]]
local info, resv, run = KEYS[1], KEYS[2], KEYS[3]
local epoch, silent_ms, test_clock = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
--- @include "shared/live_load"
local now = now_ms(test_clock)
local node = redis.call('HMGET', info, 'conn_epoch', 'heartbeat_at_ms')
if node[1] ~= epoch then
  return {0, 'stale_epoch'}
end
local silent_for = now - tonumber(node[2])
if silent_for < silent_ms then
  return {0, 'alive', silent_ms - silent_for}
end
redis.call('HSET', info, 'status', 'offline', 'health', '')
live_load(resv, run, now)
local reply = {1}
for _, leases in ipairs({resv, run}) do
  for _, attempt in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    reply[#reply + 1] = attempt
  end
end
return reply
