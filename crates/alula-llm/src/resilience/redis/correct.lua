-- Corrects what was booked.
--
-- KEYS[1]: as for the reservation.
-- ARGV: the slot, its requests less, tokens booked, tokens used.
local raw = redis.call('GET', KEYS[1])
if not raw then return 0 end
local log = cmsgpack.unpack(raw)
local slot, requests = tonumber(ARGV[1]), tonumber(ARGV[2])
local booked, used = tonumber(ARGV[3]), tonumber(ARGV[4])
local found = 0
for i = #log - 2, 2, -3 do
  if log[i] == slot then
    log[i + 1] = math.max(0, log[i + 1] - requests)
    log[i + 2] = math.max(0, log[i + 2] + used - booked)
    found = 1
    break
  end
end
if found == 0 then return 0 end
-- Who gave up a place ahead holds up nobody behind it.
while #log > 1 and log[#log] == 0 and log[#log - 1] == 0 do
  log[#log], log[#log - 1], log[#log - 2] = nil, nil, nil
end
redis.call('SET', KEYS[1], cmsgpack.pack(log), 'KEEPTTL')
return 1
