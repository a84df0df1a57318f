-- Write a session's record: without a token it cannot be resumed, without a principal it is anybody's.
local function write_session(info, instance_id, epoch, profile, now, token, principal_id, tenant_id, life_ms)
  redis.call('HSET', info, 'instance_id', instance_id, 'conn_epoch', epoch, 'profile', profile,
    'opened_at_ms', now)
  if token ~= '' then
    redis.call('HSET', info, 'resume_token', token)
  end
  if principal_id ~= '' then
    redis.call('HSET', info, 'owner', principal_id, 'owner_tenant', tenant_id)
  end
  redis.call('PEXPIRE', info, life_ms)
end
