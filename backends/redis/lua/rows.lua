-- Rows by key: as many of those asked for as fit into a page.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     bytes after which the page ends
-- ARGV[4]     how many counter columns, then each
-- ARGV[..]    keys
-- Returns the sequence, the rows, and the sums of each counter column; or 'table' when there is no such table.

local standing = redis.call('HMGET', KEYS[2], 'tag', 'wide')
if standing[1] ~= ARGV[2] then return { 'table' } end
local bytesMax, counters = tonumber(ARGV[3]), tonumber(ARGV[4])
local first = 5 + counters
local count = #ARGV - first + 1
local results = { seq }
if count <= 0 then return results end
local rows, taken, bytes, step = {}, 0, 0, 1
while taken < count and bytes < bytesMax do
  local upto = math.min(taken + step, count)
  for i, row in ipairs(redis.call('HMGET', KEYS[4], unpack(ARGV, first + taken, first + upto - 1))) do
    rows[taken + i] = row
    bytes = bytes + (row and #row or 0)
  end
  taken = upto
  -- As many as are likely to fill the page, though the next ones may be larger than those before.
  step = math.max(1, math.min(step * 4, math.floor((bytesMax - bytes) / (bytes / taken + 1))))
end
-- A row may have nothing but sums of counters that the client does not know.
for i = 1, standing[2] and #rows or 0 do
  local row = rows[i] or '0'
  if not string.find(row, ' ', 1, true) and redis.call('ZSCORE', KEYS[3], ARGV[first + i - 1]) then rows[i] = row .. ' []' end
end
results[2] = rows
for c = 1, counters do
  local fields = {}
  for i = first, first + taken - 1 do fields[#fields + 1] = ARGV[4 + c] .. ' ' .. ARGV[i] end
  results[c + 2] = redis.call('HMGET', KEYS[5], unpack(fields))
end
return results
