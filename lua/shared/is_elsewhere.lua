-- Say whether a session goes on at another socket than that of `conn_epoch`; '' asks nothing.
local function is_elsewhere(info, conn_epoch)
  local newest = conn_epoch ~= '' and redis.call('HGET', info, 'conn_epoch')
  return newest and newest ~= conn_epoch
end
