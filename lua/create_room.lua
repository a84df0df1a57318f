--[[
create_room: a session opens a room under a code, or again after Redis lost it (RM1, RM2).

KEYS[1]  {p}:v2:{room:<code>}:state    HASH  room_id, host, next_index, version, active_at_ms,
                                              want:<language>
KEYS[2]  {p}:v2:{room:<code>}:members  HASH  session id → JSON of its seat
ARGV[1]  room id
ARGV[2]  session id
ARGV[3]  JSON of the seat
ARGV[4]  language it listens in
ARGV[5]  id of the session that hosts it
ARGV[6]  index its next utterance has at least
ARGV[7]  version of what its members knew last, or 0
ARGV[8]  life without activity, ms
ARGV[9]  test clock, or ''

Returns  {1}           open, or it was by the same call
         {0, 'taken'}  the code is another room's: the caller draws another
]]
local state, members = KEYS[1], KEYS[2]
local room_id, member_id, seat, lang = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local host, next_index, version = ARGV[5], ARGV[6], ARGV[7]
local life_ms, test_clock = tonumber(ARGV[8]), ARGV[9]
--- @include "shared/now_ms"
local known = redis.call('HGET', state, 'room_id')
if known and known ~= room_id then
  return {0, 'taken'}
end
if not known then
  redis.call('HSET', state, 'room_id', room_id, 'host', host, 'next_index', next_index,
    'version', version, 'active_at_ms', now_ms(test_clock), 'want:' .. lang, 1)
  redis.call('HSET', members, member_id, seat)
end
redis.call('PEXPIRE', state, life_ms)
redis.call('PEXPIRE', members, life_ms)
return {1}
