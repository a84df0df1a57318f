--[[
take_over: move entries of a dead process' inbox to its dead letters; remove the empty inbox.

KEYS[1]  {p}:{process:<iid>}:stream    STREAM  the inbox
KEYS[2]  {p}:{process:<iid>}:dlq       STREAM  dead letters
KEYS[3]  {p}:{process:<iid>}:presence  STRING  there while the process lives
ARGV[1]  consumer group
ARGV[2]  how many dead letters are kept, about
ARGV[3]  how long they are kept after the last one came, ms
ARGV[4…] for each entry: id, n, then n strings (field names and values that describe it)

Returns  {1, left, id…}  the entries this call moved; `left` stay in the inbox
         {0, 'alive'}    the process is there
]]
--- @include "shared/redis_now"
--- @include "shared/move_entry"
--- @include "shared/take_about"
local inbox, dead_letters, presence = KEYS[1], KEYS[2], KEYS[3]
local group, maxlen, keep_ms = ARGV[1], ARGV[2], ARGV[3]

-- A master that was demoted refuses here, before it answers from what it had.
redis.call('PEXPIRE', dead_letters, keep_ms)
-- With the presence gone nobody can add (enqueue asks too), and the process, should it wake,
-- finds its lease over before it hands anything out: one owner of each entry at any time.
if redis.call('EXISTS', presence) == 1 then
  return {0, 'alive'}
end
local now_ms, at = redis_now(), 4
local reply = {1, 0}
while at <= #ARGV do
  local id, about = ARGV[at]
  about, at = take_about(ARGV, at + 1)
  if move_entry(inbox, group, dead_letters, id, about, now_ms, maxlen) then
    reply[#reply + 1] = id
  end
end
if #reply > 2 then
  redis.call('PEXPIRE', dead_letters, keep_ms)
end
reply[2] = redis.call('XLEN', inbox)
if reply[2] == 0 then
  redis.call('DEL', inbox)
end
return reply
