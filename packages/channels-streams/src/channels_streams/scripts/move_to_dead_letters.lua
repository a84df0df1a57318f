--[[
move_to_dead_letters: move entries that cannot be delivered to the dead letters of the same entity.

KEYS[1]  {p}:{<entity>}:stream  STREAM  inbox or work queue
KEYS[2]  {p}:{<entity>}:dlq     STREAM  dead letters
ARGV[1]  consumer group
ARGV[2]  how many dead letters are kept, about
ARGV[3]  how long they are kept after the last one came, ms
ARGV[4…] for each entry: id, n, then n strings (field names and values that describe it)

Returns  {1, moved}  an entry that was gone already is not counted
]]
--- @include "shared/redis_now"
--- @include "shared/move_entry"
--- @include "shared/take_about"
local stream, dead_letters = KEYS[1], KEYS[2]
local group, maxlen, keep_ms = ARGV[1], ARGV[2], ARGV[3]

local now_ms, moved, at = redis_now(), 0, 4
while at <= #ARGV do
  local id, about = ARGV[at]
  about, at = take_about(ARGV, at + 1)
  if move_entry(stream, group, dead_letters, id, about, now_ms, maxlen) then
    moved = moved + 1
  end
end
if moved > 0 then
  redis.call('PEXPIRE', dead_letters, keep_ms)
end
return {1, moved}
