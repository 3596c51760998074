-- Removes a table with its rows, or a part of one. The memory is freed by another thread of the server.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     of a part: what the definition's script returned when the table was dropped. A table that was made after it has a later one
-- Returns the sequence, twice.

local born = ARGV[2] and redis.call('HGET', KEYS[2], 'born')
if born and tonumber(born) > tonumber(ARGV[2]) then return { seq, seq } end
if redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5]) == 0 then return { seq, seq } end
redis.call('SET', KEYS[1], nextSeq)
return { nextSeq, nextSeq }
