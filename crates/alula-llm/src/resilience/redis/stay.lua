-- Says that calls are still under way, or that they are: some may have begun where Redis was away.
--
-- KEYS[1]: as for those that join. ARGV: the lease in microseconds, the calls.
local time = redis.call('TIME')
local ends = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] / 1000))
return 1
