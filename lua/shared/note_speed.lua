-- Take what a second of audio took a node (decision 0156): a newer figure counts for more the older the known one is.
-- Beside that mean, what only one in twenty jobs exceeds (decision 0139): a step up for a slower one, 19 times as far
-- as the step down for a faster one; in hundredths of a millisecond.
-- Returns '' while what was told holds, else what to tell: the field's text, services → {rate, at, told, told at,
-- slow, how many jobs, told slow}.
local function note_speed(info, services, rate, now)
  local known = services ~= '' and redis.call('HMGET', info, 'status', 'speeds')
  if not known or not known[1] then
    return ''
  end
  local all = known[2] and cjson.decode(known[2]) or {}
  local one = all[services] or {rate, now, 0, 0}
  one[1] = math.floor(rate + (one[1] - rate) * 0.7 * 0.5 ^ (math.max(now - one[2], 0) / 60000) + 0.5)
  one[2] = now
  local count, slow, took = (one[6] or 0) + 1, one[5] or rate * 100, rate * 100
  local step = math.max(0.05, 1 / count) * slow
  slow = took > slow and math.min(slow + step * 0.95, took) or math.max(slow - step * 0.05, took)
  one[5], one[6] = math.floor(slow + 0.5), math.min(count, 1000)
  -- Of what choices take for equal (50 ms, a quarter) half is no news.
  local change, slow_change = math.abs(one[1] - one[3]), math.abs(one[5] - (one[7] or 0))
  local is_news = change > 25 and change * 10 > one[3] or slow_change > 2500 and slow_change * 10 > (one[7] or 0)
    or one[6] == 20 or one[4] == 0 or now - one[4] > 30000
  if is_news then
    one[3], one[4], one[7] = one[1], now, one[5]
  end
  all[services] = one
  local text = cjson.encode(all)
  redis.call('HSET', info, 'speeds', text)
  return is_news and text or ''
end
