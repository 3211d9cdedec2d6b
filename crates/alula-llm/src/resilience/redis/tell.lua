-- Tells a breaker how a call ended.
--
-- KEYS[1]: as for the admission.
-- ARGV: 'succeeded', 'failed' or 'left'; the ticket of a call that tried, or ''; failures that
-- open; the first and the longest pause, and how long news count, in microseconds.
local outcome, ticket, failures_max = ARGV[1], ARGV[2], tonumber(ARGV[3])
local pause, pause_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local state = redis.call('HMGET', KEYS[1], 'failures', 'until', 'pause', 'ticket')

local function open(pause)
  local time = redis.call('TIME')
  local ends = time[1] * 1000000 + time[2] + pause
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', ends), 'pause', string.format('%.0f', pause))
  redis.call('PEXPIRE', KEYS[1], math.ceil((pause + ARGV[6]) / 1000))
end

if not state[2] then
  if outcome == 'succeeded' then
    if state[1] then redis.call('DEL', KEYS[1]) end
  elseif outcome == 'failed' and failures_max > 0 then
    local failures = tonumber(state[1] or 0) + 1
    if failures >= failures_max then
      open(math.min(pause, pause_max))
    else
      redis.call('HSET', KEYS[1], 'failures', failures)
      redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[6] / 1000))
    end
  end
elseif ticket ~= '' and state[4] == ticket then
  if outcome == 'succeeded' then
    redis.call('DEL', KEYS[1])
  elseif outcome == 'failed' then
    open(math.min(tonumber(state[3]) * 2, pause_max))
  else
    -- Room for the next one.
    redis.call('HSET', KEYS[1], 'until', 0)
    redis.call('HDEL', KEYS[1], 'ticket', 'lease')
  end
end
-- Else it is the news of a call of before the breaker opened: the one that tries will tell.
return 0
