-- Rows by key.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     how many counter columns, then each
-- ARGV[..]    keys
-- Returns the sequence, then for each key its row and its counters; or 'table' when there is no such table.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local counters = tonumber(ARGV[3])
local results = { seq }
for i = 4 + counters, #ARGV do
  local row = { redis.call('HGET', KEYS[4], ARGV[i]) }
  for c = 1, counters do row[c + 1] = redis.call('HGET', KEYS[5], ARGV[3 + c] .. ' ' .. ARGV[i]) end
  results[#results + 1] = row
end
return results
