-- The moment a script acts at: Redis's own clock, unless a test says otherwise.
local function now_ms(test_clock)
  if test_clock ~= '' then
    return tonumber(test_clock)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
