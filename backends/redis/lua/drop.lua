-- Removes a table with its rows. The memory is freed by another thread of the server.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- Returns the sequence.

redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return { redis.call('INCR', KEYS[1]) }
