-- Rows by key.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     how many counter columns, then each
-- ARGV[..]    keys
-- Returns the sequence, the rows, and the sums of each counter column; or 'table' when there is no such table.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local counters = tonumber(ARGV[3])
local first = 4 + counters
local results = { seq }
if first > #ARGV then return results end
results[2] = redis.call('HMGET', KEYS[4], unpack(ARGV, first))
for c = 1, counters do
  local fields = {}
  for i = first, #ARGV do fields[#fields + 1] = ARGV[3 + c] .. ' ' .. ARGV[i] end
  results[c + 2] = redis.call('HMGET', KEYS[5], unpack(fields))
end
return results
