-- A page of rows in key order.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     how many counter columns, then each
-- ARGV[..]    first key (included), key behind the last (not included), '1' for the last ones first, how many rows at most,
--             bytes after which the page ends
-- Returns the sequence, '1' if the page ended early or was full, the keys, the rows, the counters of all; or 'table'.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local counters = tonumber(ARGV[3])
local from, to, isReverse, max, bytesMax =
  '[' .. ARGV[4 + counters], '(' .. ARGV[5 + counters], ARGV[6 + counters] == '1', tonumber(ARGV[7 + counters]), tonumber(ARGV[8 + counters])
local keys
if isReverse then keys = redis.call('ZREVRANGEBYLEX', KEYS[3], to, from, 'LIMIT', 0, max)
else keys = redis.call('ZRANGEBYLEX', KEYS[3], from, to, 'LIMIT', 0, max) end
local rows, sums, bytes, taken = {}, {}, 0, 0
for i = 1, #keys do
  if bytes >= bytesMax then break end
  local row = redis.call('HGET', KEYS[4], keys[i])
  rows[i], taken = row, i
  bytes = bytes + (row and #row or 0)
  for c = 1, counters do sums[#sums + 1] = redis.call('HGET', KEYS[5], ARGV[3 + c] .. ' ' .. keys[i]) end
end
local isMore = taken < #keys or #keys == max
while #keys > taken do table.remove(keys) end
return { seq, isMore and '1' or '0', keys, rows, sums }
