-- How many messages of this very batch were taken before, if it came before; else nil.
local function was_sent(sent, token)
  local earlier = redis.call('GET', sent)
  if earlier and string.find(earlier, token .. ' ', 1, true) == 1 then
    return tonumber(string.sub(earlier, #token + 2))
  end
  return nil
end
