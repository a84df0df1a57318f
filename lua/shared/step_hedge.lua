-- The second attempt of a hedged job takes its next step: `deadline_ms` is the time until the one after it.
-- Returns true where its node is seen to work on it by that, and was not before.
local function step_hedge(job, attempt, target, deadline_ms, now)
  local order = {RESERVED = 1, DISPATCHED = 2, ACKED = 3, RUNNING = 4}
  local state = redis.call('HGET', job, 'hedge_state')
  if order[state] >= order[target] then
    return false
  end
  redis.call('HSET', job, 'hedge_state', target, 'at:' .. attempt .. ':' .. target, now)
  if deadline_ms and order[state] < order.ACKED then
    redis.call('HSET', job, 'hedge_until_ms', string.format('%d', now + deadline_ms))
  end
  return order[state] < order.ACKED and order[target] >= order.ACKED
end
