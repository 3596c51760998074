-- Makes a table unless it stands.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  definition of the table
-- ARGV[1]  highest sequence known to the client
-- ARGV[2]  the definition, as JSON
-- ARGV[3]  its tag
-- Returns the sequence and the definition that stands.

local standing = redis.call('HGET', KEYS[2], 'table')
if standing then return { seq, standing } end
redis.call('HSET', KEYS[2], 'table', ARGV[2], 'tag', ARGV[3])
return { redis.call('INCR', KEYS[1]), ARGV[2] }
