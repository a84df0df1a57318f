-- A job is hedged no more; with `promotes` the second attempt is the newest now, as far as it came.
local function end_hedge(job, hedge, promotes)
  if not hedge then
    return
  end
  if promotes then
    local known = redis.call('HMGET', job, 'hedge_state', 'node:' .. hedge, 'hedge_until_ms')
    redis.call('HSET', job, 'state', known[1], 'attempt', hedge, 'node_id', known[2], 'deadline_at_ms', known[3])
  end
  redis.call('HDEL', job, 'hedge', 'hedge_state', 'hedge_until_ms')
end
