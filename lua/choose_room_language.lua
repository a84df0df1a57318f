--[[
choose_room_language: who is in a room listens in another language from now on (RM6).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH  room_id, host, next_index, want:<language>
KEYS[2]  {p}:v2:{room:<code>}:members    HASH  session id → JSON of its seat
KEYS[3]  {p}:v2:{room:<code>}:listeners  HASH  listener's id → JSON of its seat
ARGV[1]  id of who chooses
ARGV[2]  kind: speaker or listener
ARGV[3]  language
ARGV[4]  most languages in a room

Returns  {1, room id, host, next index, version, listeners, {seats of speakers}}  chosen
         {0, 'unknown'}   no such room
         {0, 'stranger'}  it is not in the room
         {0, 'languages'}  there are as many languages as may be, and none is that
]]
local state, members, listeners = KEYS[1], KEYS[2], KEYS[3]
local member_id, kind, lang, most_languages = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
--- @include "shared/want"
--- @include "shared/is_one_too_many"
--- @include "shared/show_room"
if redis.call('EXISTS', state) == 0 then
  return {0, 'unknown'}
end
local seats = kind == 'listener' and listeners or members
local had = redis.call('HGET', seats, member_id)
if not had then
  return {0, 'stranger'}
end
local seat = cjson.decode(had)
want(state, seat.lang, -1)
if is_one_too_many(state, lang, most_languages) then
  want(state, seat.lang, 1)
  return {0, 'languages'}
end
want(state, lang, 1)
seat.lang, seat.named_lang = lang, true
redis.call('HSET', seats, member_id, cjson.encode(seat))
return show_room(state, members, listeners)
