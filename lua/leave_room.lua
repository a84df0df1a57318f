--[[
leave_room: a seat of a room is free again; with the last one the room is over (RM1).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH    room_id, host, next_index, want:<language>
KEYS[2]  {p}:v2:{room:<code>}:members    HASH    session id → JSON of its seat
KEYS[3]  {p}:v2:{room:<code>}:listeners  HASH    listener's id → JSON of its seat
KEYS[4]  {p}:v2:{room:<code>}:captions   STREAM  what was said in the last minutes
ARGV[1]  id of who leaves
ARGV[2]  kind: speaker or listener
ARGV[3]  instance it is to be at, or '' wherever it is

Returns  {1, room id, host, next index, version, listeners, {seats of speakers}}  not there any more
         {0, 'unknown'}    no such room
         {0, 'elsewhere'}  its socket is at another instance now
]]
local state, members, listeners, captions = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member_id, kind, instance_id = ARGV[1], ARGV[2], ARGV[3]
--- @include "shared/want"
--- @include "shared/show_room"
if redis.call('EXISTS', state) == 0 then
  return {0, 'unknown'}
end
local seats = kind == 'listener' and listeners or members
local had = redis.call('HGET', seats, member_id)
local seat = had and cjson.decode(had)
if seat and instance_id ~= '' and seat.instance_id ~= instance_id then
  return {0, 'elsewhere'}
end
if seat then
  redis.call('HDEL', seats, member_id)
  want(state, seat.lang, -1)
end
local shown = show_room(state, members, listeners)
if #shown[7] + shown[6] == 0 then
  redis.call('DEL', state, members, listeners, captions)
end
return shown
