-- The keys at which to cut a part of a table, and how much it holds.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     first key (included)
-- ARGV[4]     key behind the last (not included)
-- ARGV[5]     how many pieces
-- Returns the sequence, the bytes of the rows as far as a sample shows them, the keys that begin the second piece and those after it,
-- and how many rows there are; or 'table'.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local before = redis.call('ZLEXCOUNT', KEYS[3], '-', '(' .. ARGV[3])
local count = redis.call('ZLEXCOUNT', KEYS[3], '[' .. ARGV[3], '(' .. ARGV[4])
local bytes = 0
if count > 0 then
  for r = 3, 5 do
    local size = redis.call('MEMORY', 'USAGE', KEYS[r], 'SAMPLES', '50') or 0
    bytes = bytes + size * count / math.max(1, redis.call('ZCARD', KEYS[3]))
  end
end
local pieces = math.max(1, math.min(tonumber(ARGV[5]), count))
local cuts = {}
for i = 1, pieces - 1 do
  local rank = before + math.floor(i * count / pieces)
  cuts[i] = redis.call('ZRANGE', KEYS[3], rank, rank)[1]
end
return { seq, math.ceil(bytes), cuts, count }
