-- Take a word on a node into its standing (decision 0152): 'good' and 'doubt' are ends of attempts, a fault says that
-- a doubt was right, 'passed' and 'probe' are probes passed and failed (0158), 'untried' says that a probe is to
-- prove it (0164), 'unanswered', 'declined' and 'declined_late' are ends that nobody proves (0166), 'quarantine' (for
-- `subject` ms) and 'absolve' are an operator's. What nobody proves is dropped.
-- Returns nil where there is nothing to tell, else what the standing is to readers, and its state before.
local function judge(info, word, subject, now, rules)
  if word == '' then
    return
  end
  local known = redis.call('HMGET', info, 'status', 'standing', 'goods')
  if not known[1] or not known[2] and word == 'absolve' then
    return
  end
  if word == 'passed' then
    redis.call('HSET', info, 'tried', 1)
  elseif word == 'untried' and redis.call('HGET', info, 'tried') then
    return
  end
  if not known[2] and (word == 'good' or word == 'passed') then
    redis.call('HINCRBY', info, 'goods', 1)
    return
  end
  local limits = {}
  for number in string.gmatch(rules, '%d+') do
    limits[#limits + 1] = tonumber(number)
  end
  local half_life, least, percent, passes, probation, rest, first, longest, jobs = unpack(limits, 1, 9)
  local one = known[2] and cjson.decode(known[2]) or {state = 'good', reason = '', since = 0, ends = 0, rest = 0,
    good = 0, bad = 0, at = now, passes = 0, strikes = 0, level = 0, freed = 0, doubts = ''}
  local before, was_untried = one.state, one.reason == 'untried'
  local idle = math.max(now - one.at, 0)
  local fades = 0.5 ^ (idle / half_life)
  one.good, one.bad, one.at = math.min(one.good * fades + tonumber(known[3] or 0), 10), one.bad * fades, now
  local function become(state, reason, ends)
    one.state, one.reason, one.since, one.ends, one.passes, one.strikes = state, reason, now, ends, 0, 0
    if state == 'good' then
      one.bad, one.left = 0, nil
    end
  end
  if one.rest + half_life < now then
    one.doubts = ''
  end
  if idle > longest then
    one.declines, one.silences, one.unasked = nil, nil, nil
  end
  if one.state == 'probation' and one.ends <= now then
    -- Where others had room nobody asked it: then nothing is known but what put it there.
    one.unasked = one.passes == 0 and one.reason ~= 'untried' and idle <= longest or nil
    become('good', '', 0)
  end
  local is_trial = one.state == 'quarantine' and one.ends <= now
  local function lock_up()
    one.level = (is_trial or now - one.freed <= longest) and one.level or 0
    become('quarantine', word, now + math.min(first * 2 ^ one.level, longest))
    one.level = math.min(one.level + 1, 30)
  end
  if word == 'good' or word == 'passed' then
    one.good, one.rest, one.passes = one.good + 1, 0, one.passes + 1
    one.declines, one.silences, one.unasked = nil, nil, nil
    one.probes = word == 'good' and one.probes or nil
    -- Rubbish looks like a result: what a probe found, only a probe or time takes back.
    local is_probed = one.reason == 'probe' or one.reason == 'untried'
    if is_trial or is_probed and word == 'passed'
      or one.state == 'probation' and one.passes >= passes and not is_probed then
      one.freed = one.state == 'quarantine' and now or one.freed
      become('good', '', 0)
    end
  elseif word == 'doubt' or word == 'unanswered' then
    one.rest = now + rest
    one.doubts = string.match(string.sub(subject .. ',' .. one.doubts, 1, 1000), '^.*,')
    one.silences = word == 'unanswered' and (one.silences or 0) + 1 or one.silences
    if (one.silences or 0) >= least and least > 0 and one.state == 'good' then
      become('probation', 'stalled', now + probation)
    end
  elseif word == 'declined' or word == 'declined_late' then
    one.declines = math.min((one.declines or 0) + (word == 'declined' and 1 or 5), 20)
    if one.declines >= 5 and least > 0 and (one.state == 'good' or is_trial and one.reason == 'declined') then
      become('quarantine', 'declined', now + math.min(rest * 2 ^ (one.declines - 3), probation))
    end
  elseif word == 'quarantine' then
    become('quarantine', 'operator', now + tonumber(subject))
  elseif word == 'absolve' then
    become('good', '', 0)
    one.rest, one.freed, one.doubts, one.probes, one.declines, one.silences, one.unasked = 0, 0, '', nil, nil, nil, nil
  elseif word == 'untried' then
    local is_judged = one.state == 'quarantine' or one.state == 'probation' and one.reason ~= word
    if is_judged or least == 0 or jobs == 0 then
      return
    end
    become('probation', word, now + probation)
    one.left = one.left or jobs
  elseif word == 'probe' then
    one.bad, one.probes = one.bad + 1, (one.probes or 0) + 1
    if least > 0 and (one.state == 'quarantine' or one.probes > 1) then
      is_trial = one.state == 'quarantine'
      lock_up()
    elseif least > 0 then
      become('probation', word, now + probation)
      one.left = one.left or jobs > 0 and jobs or nil
    end
  else
    local from, to = string.find(',' .. one.doubts, ',' .. subject .. ',', 1, true)
    if not from then
      return
    end
    one.doubts = string.sub(one.doubts, 1, from - 1) .. string.sub(one.doubts, to)
    one.bad, one.strikes = one.bad + ((word == 'silent' or word == 'stalled') and 3 or 1), one.strikes + 1
    if is_trial or one.state == 'probation' and one.strikes > 1 or one.state == 'good' and one.unasked then
      one.unasked = nil
      lock_up()
    elseif one.state == 'probation' then
      one.ends = now + probation
    elseif one.state == 'good' and least > 0 and one.bad >= least
      and one.bad * 100 >= percent * (one.good + one.bad) then
      become('probation', word, now + probation)
    end
  end
  if one.state == 'good' and one.bad < 0.1 and one.rest <= now and one.doubts == '' and not one.probes
    and not one.declines and not one.silences and not one.unasked
    and now - one.freed > longest then
    redis.call('HDEL', info, 'standing')
    redis.call('HSET', info, 'goods', math.floor(one.good))
  else
    redis.call('HSET', info, 'standing', cjson.encode(one), 'goods', 0)
  end
  -- Nothing spoke against who was untried.
  if one.reason == 'untried' then
    before = one.state
  elseif was_untried then
    before = 'good'
  end
  return {one.state, one.reason, one.since, one.ends, one.rest, before, one.left or -1, math.floor(one.bad * 100 + 0.5),
    now}
end
