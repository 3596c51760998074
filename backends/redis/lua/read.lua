-- Objects, or some fields of them, each as of one moment.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  hashes
-- ARGV[1]    highest sequence known to the client
-- ARGV[2..]  fields to read; all when there are none
-- Returns the sequence, then for each hash its fields and values, or the values asked for.

local results = { seq }
local fields = { unpack(ARGV, 2) }
for i = 2, #KEYS do
  if #fields == 0 then results[i] = redis.call('HGETALL', KEYS[i]) else results[i] = redis.call('HMGET', KEYS[i], unpack(fields)) end
end
return results
