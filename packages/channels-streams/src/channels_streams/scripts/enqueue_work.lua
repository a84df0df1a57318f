--[[
enqueue_work: put a batch of messages into the queue of a normal channel, while it has room.

KEYS[1]  {p}:{work:<channel>}:stream       STREAM  target, payload
KEYS[2]  {p}:{work:<channel>}:sent:<batcher>  STRING  the sender's last batch, and how much was taken
ARGV[1]  consumer group
ARGV[2]  batch token; the same token again changes nothing
ARGV[3]  how many unread messages the queue holds at most
ARGV[4]  age at which an unread message makes room, ms; 0 for never
ARGV[5]  how long an idle queue is kept, ms
ARGV[6]  how long to remember the token, ms
ARGV[7…] target, payload of each message

Returns  {1, taken, expired}  the first `taken` messages are queued, the others found it full;
                              `expired` old ones were removed to make room
]]
--- @include "shared/was_sent"
--- @include "shared/redis_now"
local queue, sent, group, token = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local capacity, expiry_ms, keep_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local remember_ms, first = ARGV[6], 7

-- Changes nothing, but a master that was demoted says so before it answers from what it had.
redis.call('PEXPIRE', sent, remember_ms)
local before = was_sent(sent, token)
if before then
  return {1, before, 0}
end
-- From 0, so that what was sent before the first reader came is read; an error says it is there.
redis.pcall('XGROUP', 'CREATE', queue, group, '0', 'MKSTREAM')
local function count_room()
  return capacity - redis.call('XLEN', queue) + redis.call('XPENDING', queue, group)[1]
end

local room, wanted, expired = count_room(), (#ARGV - first + 1) / 2, 0
if room < wanted and expiry_ms > 0 then
  local old = redis.call('XRANGE', queue, '-', string.format('%d', redis_now() - expiry_ms), 'COUNT', 200)
  for _, entry in ipairs(old) do
    if #redis.call('XPENDING', queue, group, entry[1], entry[1], 1) == 0 then
      expired = expired + redis.call('XDEL', queue, entry[1])
    end
  end
  room = count_room()
end
local taken = 0
for i = first, #ARGV, 2 do
  if taken >= room then
    break
  end
  redis.call('XADD', queue, '*', 'target', ARGV[i], 'payload', ARGV[i + 1])
  taken = taken + 1
end
redis.call('PEXPIRE', queue, keep_ms)
redis.call('SET', sent, token .. ' ' .. taken, 'PX', remember_ms)
return {1, taken, expired}
