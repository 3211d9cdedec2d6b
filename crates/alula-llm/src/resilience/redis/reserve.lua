-- Books a turn: the same as `Window` in Rust, for requests and tokens at once.
--
-- KEYS[1]: {seen, slot, requests, tokens, slot, requests, tokens, ...}, the oldest slot first.
-- ARGV: requests and tokens in a window (-1 for no limit), tokens of this call, the shortest and
-- the longest wait, the length of a slot (all in microseconds), the slots of a window.
-- Returns {1, wait, level..., slot}, or {0, wait, level...} if that is too long. The level is that
-- after this call: requests and tokens, and how long until the first and the last of them are over.
local requests_max, tokens_max = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens, wait_min, wait_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local unit, window = tonumber(ARGV[6]), tonumber(ARGV[7])
if requests_max < 0 then requests_max = math.huge end
if tokens_max < 0 then tokens_max = math.huge end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local current = math.floor(now / unit)
local raw = redis.call('GET', KEYS[1])
local old = raw and cmsgpack.unpack(raw) or {current}

-- The clock may have been set back; what was booked lies as far ahead as it did.
local back = math.max(0, old[1] - current)
local log, requests, used = {current}, 0, 0
for i = 2, #old, 3 do
  local slot = old[i] - back
  if slot + window >= current then
    log[#log + 1], log[#log + 2], log[#log + 3] = slot, old[i + 1], old[i + 2]
    requests, used = requests + old[i + 1], used + old[i + 2]
  end
end

local all_requests, all_used = requests, used
local last = #log > 1 and log[#log - 2] or current
local slot = math.max(math.floor((now + wait_min) / unit), last)
for i = 2, #log, 3 do
  local has_passed = log[i] + window < slot
  if not has_passed and requests + 1 <= requests_max and used + tokens <= tokens_max then break end
  requests, used = requests - log[i + 1], used - log[i + 2]
  slot = math.max(slot, log[i] + window + 1)
end

local wait = math.max(wait_min, slot * unit - now)
local function ends(slot) return math.max(0, (slot + window + 1) * unit - now) end
if wait > wait_max then
  local more = #log > 1 and ends(log[2]) or 0
  return {0, wait, all_requests, all_used, more, #log > 1 and ends(last) or 0}
end
if #log > 1 and last == slot then
  log[#log - 1], log[#log] = log[#log - 1] + 1, log[#log] + tokens
else
  log[#log + 1], log[#log + 2], log[#log + 3] = slot, 1, tokens
end
local expires = math.ceil((slot - current + window + 2) * unit / 1000)
redis.call('SET', KEYS[1], cmsgpack.pack(log), 'PX', expires)
return {1, wait, all_requests + 1, all_used + tokens, ends(log[2]), ends(slot), slot}
