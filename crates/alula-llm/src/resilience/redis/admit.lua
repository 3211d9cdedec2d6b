-- Lets a call through a breaker, or not.
--
-- KEYS[1]: a hash. Closed: `failures`. Open: `until` and `pause`. Half open, too: `ticket` of the
-- call that tries, and `lease`, until when that is believed.
-- ARGV: the ticket to give out, the lease in microseconds.
-- Returns {0, failures}, {1, pause} to the call that tries, or {2, left, pause}.
local state = redis.call('HMGET', KEYS[1], 'failures', 'until', 'pause', 'ticket', 'lease')
if not state[2] then return {0, tonumber(state[1] or 0)} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ends, pause = tonumber(state[2]), tonumber(state[3])
local lease = tonumber(state[5] or 0) - now
-- A clock that was set back makes neither a pause nor a lease longer.
if ends > now + pause then
  ends = now + pause
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', ends))
end
if state[4] and state[4] ~= ARGV[1] and lease > 0 and lease <= tonumber(ARGV[2]) then
  return {2, lease, pause}
end
if ends > now then return {2, ends - now, pause} end
redis.call('HSET', KEYS[1], 'ticket', ARGV[1], 'lease', string.format('%.0f', now + ARGV[2]))
return {1, pause}
