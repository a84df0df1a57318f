-- Say why its standing keeps a node from one more job: in quarantine it gets none; then, and on probation, one at once,
-- and while a probe is to prove it (decision 0164) no more than are left.
local function why_held_back(standing, load, now)
  local one = standing and cjson.decode(standing)
  if not one or one.state == 'good' or one.state == 'probation' and one.ends <= now then
    return
  end
  if one.state == 'quarantine' and one.ends > now then
    return 'quarantined'
  end
  if one.state == 'probation' and one.left == 0 then
    return 'unproven'
  end
  return load > 0 and 'on_probation' or nil
end
