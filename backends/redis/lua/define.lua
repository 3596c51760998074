-- Makes a table unless it stands, or gives it further columns.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  definition of the table
-- ARGV[1]  highest sequence known to the client
-- ARGV[2]  the definition, as JSON
-- ARGV[3]  its tag
-- ARGV[4]  the definition that it goes on from, '' for a new table
-- ARGV[5]  how many columns its rows may have
-- Returns the sequence, the definition that stands, '' if it was dropped meanwhile, and the sequence at which the table was made.

local standing = redis.call('HMGET', KEYS[2], 'table', 'born')
if (standing[1] or '') ~= ARGV[4] then return { seq, standing[1] or '', standing[2] } end
redis.call('SET', KEYS[1], nextSeq)
redis.call('HSET', KEYS[2], 'table', ARGV[2], 'tag', ARGV[3])
-- From now on rows may be shorter than others, and some writers do not know all columns.
if standing[1] then redis.call('HSET', KEYS[2], 'wide', ARGV[5])
else redis.call('HSET', KEYS[2], 'born', nextSeq) end
return { nextSeq, ARGV[2], standing[2] or string.format('%.0f', nextSeq) }
