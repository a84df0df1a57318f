-- Remember a session's utterance until its answer is acknowledged, and the last chunk that is safe with it.
local function track(info, tracked, job_id, index, life_ms, safe_seq)
  local session = redis.call('HMGET', info, 'next_index', 'safe_seq')
  if tonumber(index) >= tonumber(session[1] or 0) then
    redis.call('HSET', info, 'next_index', index + 1)
  end
  if tonumber(safe_seq) > tonumber(session[2] or -1) then
    redis.call('HSET', info, 'safe_seq', safe_seq)
  end
  redis.call('ZADD', tracked, index, job_id)
  redis.call('PEXPIRE', tracked, life_ms)
end
