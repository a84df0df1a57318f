--[[
enqueue: put a batch of messages into the inbox of a process, if it lives and has room.

KEYS[1]  {p}:{process:<iid>}:stream       STREAM  target, payload
KEYS[2]  {p}:{process:<iid>}:presence     STRING  there while the process lives
KEYS[3]  {p}:{process:<iid>}:sent:<batcher>  STRING  the sender's last batch, and how much was taken
ARGV[1]  batch token; the same token again changes nothing
ARGV[2]  how many entries the inbox holds at most
ARGV[3]  how many bytes the inbox holds at most, about
ARGV[4]  how long to remember the token, ms
ARGV[5…] target, payload of each message

Returns  {1, taken}   the first `taken` messages are in the inbox, the others found it full
         {0, 'gone'}  the process has no presence or no inbox
]]
--- @include "shared/was_sent"
local inbox, presence, sent = KEYS[1], KEYS[2], KEYS[3]
local token, capacity, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local remember_ms, first = ARGV[4], 5

-- Changes nothing, but a master that was demoted says so before it answers from what it had.
redis.call('PEXPIRE', sent, remember_ms)
local before = was_sent(sent, token)
if before then
  return {1, before}
end
if redis.call('EXISTS', presence, inbox) < 2 then
  return {0, 'gone'}
end
local length = redis.call('XLEN', inbox)
local room = capacity - length
-- Looking at the bytes costs a few microseconds, so a short inbox is not asked.
if length > 16 and redis.call('MEMORY', 'USAGE', inbox, 'SAMPLES', 4) > max_bytes then
  room = 0
end
local taken = 0
for i = first, #ARGV, 2 do
  if taken >= room then
    break
  end
  redis.call('XADD', inbox, '*', 'target', ARGV[i], 'payload', ARGV[i + 1])
  taken = taken + 1
end
redis.call('SET', sent, token .. ' ' .. taken, 'PX', remember_ms)
return {1, taken}
