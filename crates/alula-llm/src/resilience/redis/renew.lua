-- Keeps the right to be the one that tries.
--
-- KEYS[1]: as for the admission. ARGV: the ticket, the lease in microseconds.
if redis.call('HGET', KEYS[1], 'ticket') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local lease = time[1] * 1000000 + time[2] + ARGV[2]
redis.call('HSET', KEYS[1], 'lease', string.format('%.0f', lease))
return 1
