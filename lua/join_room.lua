--[[
join_room: somebody takes a seat in a room, or is on it again from another instance (RM1, RM2).

KEYS[1]  {p}:v2:{room:<code>}:state      HASH  room_id, host, next_index, active_at_ms, want:<language>
KEYS[2]  {p}:v2:{room:<code>}:members    HASH  session id → JSON of its seat
KEYS[3]  {p}:v2:{room:<code>}:listeners  HASH  listener's id → JSON of its seat
ARGV[1]  id of who joins
ARGV[2]  kind: speaker or listener
ARGV[3]  JSON of the seat
ARGV[4]  language it listens in
ARGV[5]  most of this kind in a room
ARGV[6]  '1' to take a seat over that it has, '' to refuse a second one
ARGV[7]  life without activity, ms
ARGV[8]  test clock, or ''
ARGV[9]  most languages in a room

Returns  {1, room id, host, next index, version, listeners, {seats of speakers}}  seated
         {0, 'unknown'}  no such room
         {0, 'already'}  it has a seat there
         {0, 'full'}     there are as many as may be
         {0, 'languages'}  there are as many languages as may be, and none is its own
         {0, 'elsewhere'}  it has the seat by a later socket
]]
local state, members, listeners = KEYS[1], KEYS[2], KEYS[3]
local member_id, kind, seat, lang = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, takes_over = tonumber(ARGV[5]), ARGV[6] == '1'
local life_ms, test_clock, most_languages = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
--- @include "shared/now_ms"
--- @include "shared/want"
--- @include "shared/is_one_too_many"
--- @include "shared/keep_room"
--- @include "shared/show_room"
if redis.call('EXISTS', state) == 0 then
  return {0, 'unknown'}
end
local seats = kind == 'listener' and listeners or members
local had = redis.call('HGET', seats, member_id)
if had and had ~= seat and not takes_over then
  return {0, 'already'}
end
local held = had and cjson.decode(had)
if held and (held.conn_epoch or 0) > (cjson.decode(seat).conn_epoch or 0) then
  return {0, 'elsewhere'}
end
if not had and redis.call('HLEN', seats) >= most then
  return {0, 'full'}
end
if not takes_over and is_one_too_many(state, lang, most_languages) then
  return {0, 'languages'}
end
if held then
  want(state, held.lang, -1)
end
want(state, lang, 1)
redis.call('HSET', seats, member_id, seat)
redis.call('HSET', state, 'active_at_ms', now_ms(test_clock))
keep_room(life_ms, state, members, listeners)
return show_room(state, members, listeners)
