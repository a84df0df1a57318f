--[[
leave_work: give back what a reader fetched and nobody took, and remove the reader.

KEYS[1]  {p}:{work:<channel>}:stream  STREAM  target, payload
ARGV[1]  consumer group
ARGV[2]  consumer
ARGV[3…] entry ids to give back, the oldest first, at most as many as one read brings

Returns  {1, returned}

What nobody has read past keeps its place: the group is set back before it. Where another reader
has, it goes to the end.
]]
--- @include "shared/id_before"
--- @include "shared/last_delivered"
local queue, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local first = 3

local entries = {}
for i = first, #ARGV do
  -- Given back already by a call whose reply was lost: it is in the queue, or another's by now.
  local held = redis.pcall('XPENDING', queue, group, ARGV[i], ARGV[i], 1, consumer)
  local entry = not held.err and #held > 0 and redis.call('XRANGE', queue, ARGV[i], ARGV[i])[1]
  if entry then
    entries[#entries + 1] = entry
  end
end
if #entries > 0 then
  local last = last_delivered(queue, group)
  local later = last and redis.call('XRANGE', queue, entries[1][1], last, 'COUNT', #entries + 1)
  local keeps_place = later and #later == #entries
  for _, entry in ipairs(entries) do
    redis.pcall('XACK', queue, group, entry[1])
    if not keeps_place then
      redis.call('XADD', queue, '*', unpack(entry[2]))
      redis.call('XDEL', queue, entry[1])
    end
  end
  if keeps_place then
    redis.call('XGROUP', 'SETID', queue, group, id_before(entries[1][1]))
    -- Readers that wait look again when something comes, and only then.
    redis.call('XDEL', queue, redis.call('XADD', queue, '*', 'wake', ''))
  end
end
-- A consumer with pending entries stays: they are found by its name.
local pending = redis.pcall('XPENDING', queue, group, '-', '+', 1, consumer)
if not pending.err and #pending == 0 then
  redis.call('XGROUP', 'DELCONSUMER', queue, group, consumer)
end
return {1, #entries}
