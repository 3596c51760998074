-- A page of rows in key order.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     how many counter columns, then each
-- ARGV[..]    first key (included), key behind the last (not included), '1' for the last ones first, how many rows at most,
--             bytes after which the page ends
-- Returns the sequence, '1' if the page ended early or was full, the keys, the rows, and the sums of each
--         counter column; or 'table'.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local counters = tonumber(ARGV[3])
local from, to, isReverse, max, bytesMax =
  '[' .. ARGV[4 + counters], '(' .. ARGV[5 + counters], ARGV[6 + counters] == '1', tonumber(ARGV[7 + counters]), tonumber(ARGV[8 + counters])
local keys
if isReverse then keys = redis.call('ZREVRANGEBYLEX', KEYS[3], to, from, 'LIMIT', 0, max)
else keys = redis.call('ZRANGEBYLEX', KEYS[3], from, to, 'LIMIT', 0, max) end
local rows, taken, bytes, step = {}, 0, 0, 1
while taken < #keys and bytes < bytesMax do
  local upto = math.min(taken + step, #keys)
  for i, row in ipairs(redis.call('HMGET', KEYS[4], unpack(keys, taken + 1, upto))) do
    rows[taken + i] = row
    bytes = bytes + (row and #row or 0)
  end
  taken = upto
  -- As many as are likely to fill the page, though the next ones may be larger than those before.
  step = math.max(1, math.min(step * 4, math.floor((bytesMax - bytes) / (bytes / taken + 1))))
end
local isMore = taken < #keys or #keys == max
for i = #keys, taken + 1, -1 do keys[i] = nil end
local sums = {}
for c = 1, counters do
  local fields = {}
  for i = 1, taken do fields[i] = ARGV[3 + c] .. ' ' .. keys[i] end
  sums[c] = taken > 0 and redis.call('HMGET', KEYS[5], unpack(fields)) or {}
end
return { seq, isMore and '1' or '0', keys, rows, sums }
