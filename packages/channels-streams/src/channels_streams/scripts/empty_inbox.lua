--[[
empty_inbox: forget everything in the inbox of a living process and tell it to forget its own.

KEYS[1]  {p}:{process:<iid>}:stream    STREAM  the inbox
KEYS[2]  {p}:{process:<iid>}:presence  STRING  there while the process lives
ARGV[1]  consumer group
ARGV[2]  target of the note that tells the process
ARGV[3]  how long an inbox without presence is kept, ms

Returns  {1}
         {0, 'gone'}  the process has no presence; its inbox is removed
]]
local inbox, presence, group, note, keep_ms = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]

redis.call('DEL', inbox)
if redis.call('EXISTS', presence) == 0 then
  return {0, 'gone'}
end
redis.call('XGROUP', 'CREATE', inbox, group, '0', 'MKSTREAM')
redis.call('PEXPIRE', inbox, keep_ms)
redis.call('XADD', inbox, '*', 'target', note, 'payload', '')
return {1}
