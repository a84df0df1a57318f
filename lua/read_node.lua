--[[
read_node: a node as its slot has it now, with its live load (N12).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, conn_epoch, max, description, usage, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
ARGV[1]  test clock, or ''

Returns  {1, now, load, field, value, …}  the record
         {0, 'unknown'}                   no such node
]]
local info, resv, run = KEYS[1], KEYS[2], KEYS[3]
local test_clock = ARGV[1]
--- @include "shared/now_ms"
--- @include "shared/live_load"
local reply = redis.call('HGETALL', info)
if #reply == 0 then
  return {0, 'unknown'}
end
local now = now_ms(test_clock)
local reserved, running = live_load(resv, run, now)
table.insert(reply, 1, reserved + running)
table.insert(reply, 1, now)
table.insert(reply, 1, 1)
return reply
