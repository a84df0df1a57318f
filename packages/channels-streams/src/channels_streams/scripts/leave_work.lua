--[[
leave_work: give back what a reader fetched and nobody took, and remove the reader.

KEYS[1]  {p}:{work:<channel>}:stream  STREAM  target, payload
ARGV[1]  consumer group
ARGV[2]  consumer
ARGV[3…] entry ids to give back, at most as many as one read brings

Returns  {1, returned}
]]
local queue, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local first = 3

local returned = 0
for i = first, #ARGV do
  local entry = redis.call('XRANGE', queue, ARGV[i], ARGV[i])[1]
  if entry then
    redis.call('XADD', queue, '*', unpack(entry[2]))
    redis.pcall('XACK', queue, group, ARGV[i])
    redis.call('XDEL', queue, ARGV[i])
    returned = returned + 1
  end
end
-- A consumer with pending entries stays: they are found by its name.
local pending = redis.pcall('XPENDING', queue, group, '-', '+', 1, consumer)
if not pending.err and #pending == 0 then
  redis.call('XGROUP', 'DELCONSUMER', queue, group, consumer)
end
return {1, returned}
