--[[
prefer_raw_voice: a member wants another's own voice, or does not (RM1).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH  room_id, host, next_index
KEYS[2]  {p}:v2:{room:<code>}:members    HASH  session id → JSON of its seat
KEYS[3]  {p}:v2:{room:<code>}:listeners  HASH  listener's id → JSON of its seat
ARGV[1]  id of the session that prefers
ARGV[2]  id of whose voice it is
ARGV[3]  '1' for wanted, '' for not
ARGV[4]  most preferences of one member

Returns  {1, room id, host, next index, version, listeners, {seats of speakers}}  noted
         {0, 'unknown'}   no such room
         {0, 'stranger'}  it is not in the room
         {0, 'full'}      it named as many as may be
]]
local state, members, listeners = KEYS[1], KEYS[2], KEYS[3]
local member_id, target_id, wanted, most = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
--- @include "shared/show_room"
if redis.call('EXISTS', state) == 0 then
  return {0, 'unknown'}
end
local had = redis.call('HGET', members, member_id)
if not had then
  return {0, 'stranger'}
end
local seat = cjson.decode(had)
local named = seat.raw_voice or {}
local count = 0
for _ in pairs(named) do
  count = count + 1
end
if named[target_id] == nil and count >= most then
  return {0, 'full'}
end
named[target_id] = wanted
seat.raw_voice = named
redis.call('HSET', members, member_id, cjson.encode(seat))
return show_room(state, members, listeners)
