--[[
say_in_room: an utterance gets its place among all of a room, and the languages others listen in (RM3).

KEYS[1]  {p}:v2:{room:<code>}:state    HASH  room_id, host, next_index, want:<language>
KEYS[2]  {p}:v2:{room:<code>}:members  HASH  session id → JSON of its seat
ARGV[1]  id of the session that speaks
ARGV[2]  index it would have in its session
ARGV[3]  '1' to draw a place, '' to ask for the languages only

Returns  {1, index, language…}  in no order
         {0, 'unknown'}         no such room, or it is not in it
]]
local state, members = KEYS[1], KEYS[2]
local member_id, own_index, draws = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
-- Who numbers its utterances from further on is not followed: beyond 2^53 all numbers are one.
local FAR = 2 ^ 52
local had = redis.call('HGET', members, member_id)
if not had or redis.call('EXISTS', state) == 0 then
  return {0, 'unknown'}
end
local own_lang = cjson.decode(had).lang
local fields = redis.call('HGETALL', state)
local index, langs = 0, {}
for at = 1, #fields, 2 do
  local field, value = fields[at], tonumber(fields[at + 1])
  local lang = string.match(field, '^want:(.*)$')
  if lang and (lang ~= own_lang or value > 1) then
    langs[#langs + 1] = lang
  elseif field == 'next_index' then
    index = own_index < FAR and math.max(value, own_index) or value
  end
end
if draws then
  redis.call('HSET', state, 'next_index', index + 1)
end
local reply = {1, index}
for _, lang in ipairs(langs) do
  reply[#reply + 1] = lang
end
return reply
