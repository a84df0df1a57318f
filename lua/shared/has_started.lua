-- Whether a node was seen to work on an attempt of a job up to `last`, but for `attempt`.
local function has_started(job, last, attempt)
  for other = 1, tonumber(last) do
    local started = other ~= tonumber(attempt)
      and redis.call('HMGET', job, 'at:' .. other .. ':ACKED', 'at:' .. other .. ':RUNNING')
    if started and (started[1] or started[2]) then
      return true
    end
  end
  return false
end
