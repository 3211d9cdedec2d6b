-- Lets a call begin if there are fewer than so many.
--
-- KEYS[1]: a sorted set of the calls under way, by when their leases end, in microseconds.
-- ARGV: the call, how many there may be, the lease in microseconds.
-- Returns {1} if it is under way, also if it was already, or {0}.
local call, max, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ends = string.format('%.0f', now + lease)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
-- A clock that was set back makes no lease longer.
for _, late in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ends, '+inf')) do
  redis.call('ZADD', KEYS[1], ends, late)
end
if redis.call('ZCARD', KEYS[1]) >= max and not redis.call('ZSCORE', KEYS[1], call) then return {0} end
redis.call('ZADD', KEYS[1], ends, call)
redis.call('PEXPIRE', KEYS[1], math.ceil(lease / 1000))
return {1}
