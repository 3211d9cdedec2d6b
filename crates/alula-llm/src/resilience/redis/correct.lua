-- Corrects what was booked: the same as `Window` in Rust.
--
-- KEYS[1]: as for the reservation.
-- ARGV: the slot, its requests less, tokens booked, tokens used, the length of a slot in
-- microseconds, the slots of a window.
local slot, requests = tonumber(ARGV[1]), tonumber(ARGV[2])
local booked, used = tonumber(ARGV[3]), tonumber(ARGV[4])
local unit, window = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local current = math.floor((time[1] * 1000000 + time[2]) / unit)
local has_passed = slot + window < current
local raw = redis.call('GET', KEYS[1])
local log = raw and cmsgpack.unpack(raw) or {current}
local found = 0
for i = #log - 2, 2, -3 do
  if log[i] == slot and not has_passed then
    log[i + 1] = math.max(0, log[i + 1] - requests)
    log[i + 2] = math.max(0, log[i + 2] + used - booked)
    found = 1
    break
  end
end
if found == 0 then
  -- What is more than was booked counts from now on.
  if used <= booked then return 0 end
  if has_passed then slot = current end
  if #log > 1 and log[#log - 2] >= slot then
    log[#log] = log[#log] + used - booked
  else
    log[#log + 1], log[#log + 2], log[#log + 3] = slot, 0, used - booked
  end
  local expires = math.ceil((log[#log - 2] - current + window + 2) * unit / 1000)
  redis.call('SET', KEYS[1], cmsgpack.pack(log), 'PX', expires)
  return 1
end
-- Who gave up a place ahead holds up nobody behind it.
while #log > 1 and log[#log] == 0 and log[#log - 1] == 0 do
  log[#log], log[#log - 1], log[#log - 2] = nil, nil, nil
end
redis.call('SET', KEYS[1], cmsgpack.pack(log), 'KEEPTTL')
return 1
