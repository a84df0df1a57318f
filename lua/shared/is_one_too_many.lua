-- Say whether a room would be listened to in more languages than may be, with this one.
local function is_one_too_many(state, lang, most)
  local count = redis.call('HEXISTS', state, 'want:' .. lang) == 1 and -1 or 0
  for _, field in ipairs(redis.call('HKEYS', state)) do
    count = count + (string.find(field, '^want:') and 1 or 0)
  end
  return count >= most
end
