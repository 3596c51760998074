-- Makes a part of a table that is spread, unless it stands. The rows of an earlier table of the same id, whose removal did not come this
-- far, go.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the part
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the table
-- ARGV[3]     the sequence at which the table was made
-- ARGV[4]     above 0: from now on rows may have so many columns, and be shorter than others
-- Returns the sequence, and '' or 'later': a later table of this id has this part.

local standing = redis.call('HMGET', KEYS[2], 'tag', 'born')
if standing[1] ~= ARGV[2] then
  if standing[2] and tonumber(standing[2]) > tonumber(ARGV[3]) then return { seq, 'later' } end
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HSET', KEYS[2], 'tag', ARGV[2], 'born', ARGV[3])
  redis.call('SET', KEYS[1], nextSeq)
  seq = nextSeq
end
local wide = redis.call('HGET', KEYS[2], 'wide')
if tonumber(ARGV[4]) > tonumber(wide or '0') then redis.call('HSET', KEYS[2], 'wide', ARGV[4]) end
return { seq, '' }
