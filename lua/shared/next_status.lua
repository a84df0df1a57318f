-- The node's life cycle (N6): the status after one more heartbeat, good or bad.
-- `health` holds the newest heartbeats, '1' good and '0' bad, newest last.
local function next_status(status, health, registered_for_ms, rules)
  local good = string.match(health, '1*$')
  local bad = string.match(health, '0*$')
  local _, failures = string.gsub(health, '0', '')
  if #good >= rules.good_needed then
    return 'ready'
  end
  if status == 'ready' and (#bad >= rules.consecutive or failures >= rules.failures) then
    return 'degraded'
  end
  if status == 'registering' and registered_for_ms > rules.warmup_ms then
    return 'degraded'
  end
  return status
end
