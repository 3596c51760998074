-- Makes a table unless it stands, or gives it further columns.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  definition of the table
-- ARGV[1]  highest sequence known to the client
-- ARGV[2]  the definition, as JSON
-- ARGV[3]  its tag
-- ARGV[4]  the definition that it goes on from, '' for a new table
-- Returns the sequence and the definition that stands, '' if it was dropped meanwhile.

local standing = redis.call('HGET', KEYS[2], 'table')
if (standing or '') ~= ARGV[4] then return { seq, standing or '' } end
redis.call('HSET', KEYS[2], 'table', ARGV[2], 'tag', ARGV[3])
-- From now on rows may be shorter than others.
if standing then redis.call('HSET', KEYS[2], 'wide', '1') end
return { redis.call('INCR', KEYS[1]), ARGV[2] }
