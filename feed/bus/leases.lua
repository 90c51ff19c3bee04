-- Says how many connections one process has for a principal, unless all processes' would then be too many.
--
-- KEYS: the principal's leases, a hash of process -> "count expiry": expiry in milliseconds of this server's own clock,
--       the only one that all processes share
-- ARGV: 1 process   2 its count now   3 most of all processes together ("" = whatever they are)   4 a lease's ms
--
-- Answers 1 where the count stands, 0 where it would be too many and nothing was written.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count = tonumber(ARGV[2])

local others = 0
local leases = redis.call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do
  local held, expiry = leases[i + 1]:match('^(%d+) (%d+)$')
  if not held or tonumber(expiry) <= now then
    redis.call('HDEL', KEYS[1], leases[i])
  elseif leases[i] ~= ARGV[1] then
    others = others + tonumber(held)
  end
end

if ARGV[3] ~= '' and others + count > tonumber(ARGV[3]) then return 0 end
if count == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %.0f', count, now + ARGV[4]))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
