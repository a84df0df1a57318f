--[[
acknowledge: forget entries that consumers have taken.

KEYS[1]  {p}:{<entity>}:stream  STREAM  inbox or work queue
ARGV[1]  consumer group
ARGV[2…] entry ids, at most a few hundred

Returns  {1, deleted}
]]
local stream, group = KEYS[1], ARGV[1]

-- The group may be gone with an emptied Redis; then there is nothing to acknowledge.
redis.pcall('XACK', stream, group, unpack(ARGV, 2, #ARGV))
return {1, redis.call('XDEL', stream, unpack(ARGV, 2, #ARGV))}
