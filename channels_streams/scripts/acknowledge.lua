--[[
acknowledge: forget entries that consumers have taken.

KEYS[1]  {p}:{<entity>}:stream  STREAM  inbox or work queue
ARGV[1]  consumer group
ARGV[2…] entry ids, at most a few hundred

Returns  {1, deleted}
]]
local stream, group = KEYS[1], ARGV[1]
local first = 2

local deleted = 0
for i = first, #ARGV do
  -- The group may be gone with an emptied Redis; then there is nothing to acknowledge.
  redis.pcall('XACK', stream, group, ARGV[i])
  deleted = deleted + redis.call('XDEL', stream, ARGV[i])
end
return {1, deleted}
