-- The memory that objects take, 0 for those that do not exist.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  hashes of objects
-- ARGV[1]    highest sequence known to the client
-- Returns the sequence, then the bytes of each.

local results = { seq }
for i = 2, #KEYS do
  local isThere = redis.call('HEXISTS', KEYS[i], '@') == 1
  results[i] = isThere and redis.call('MEMORY', 'USAGE', KEYS[i], 'SAMPLES', '0') or 0
end
return results
