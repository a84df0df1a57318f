-- Note whether a node had an attempt that failed; return the nodes that had the job, comma separated.
local function note_had(job, attempt, node_id, nodes, had_it)
  redis.call('HSET', job, 'node:' .. attempt, had_it and node_id or '')
  return had_it and (nodes == '' and node_id or nodes .. ',' .. node_id) or nodes
end
