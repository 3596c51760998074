-- Rows by key.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     how many counter columns, then each
-- ARGV[..]    keys
-- Returns the sequence, the rows, and the sums of each counter column; or 'table' when there is no such table.

local standing = redis.call('HMGET', KEYS[2], 'tag', 'wide')
if standing[1] ~= ARGV[2] then return { 'table' } end
local counters = tonumber(ARGV[3])
local first = 4 + counters
local results = { seq }
if first > #ARGV then return results end
local rows = redis.call('HMGET', KEYS[4], unpack(ARGV, first))
-- A row may have nothing but sums of counters that the client does not know.
for i = 1, standing[2] and #rows or 0 do
  local row = rows[i] or '0'
  if not string.find(row, ' ', 1, true) and redis.call('ZSCORE', KEYS[3], ARGV[first + i - 1]) then rows[i] = row .. ' []' end
end
results[2] = rows
for c = 1, counters do
  local fields = {}
  for i = first, #ARGV do fields[#fields + 1] = ARGV[3 + c] .. ' ' .. ARGV[i] end
  results[c + 2] = redis.call('HMGET', KEYS[5], unpack(fields))
end
return results
