-- Fields of hashes.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  hashes
-- ARGV[1]    highest sequence known to the client
-- ARGV[2..]  fields to read
-- Returns the sequence, then for each hash the values.

local results = { seq }
for i = 2, #KEYS do results[i] = redis.call('HMGET', KEYS[i], unpack(ARGV, 2)) end
return results
