-- Put in front of flip.lua: the gate of a domain, and the piece of the staged group whose turn it is.
--
-- The gate is '?' or '!' (undecided, decided), the commit of the group, the next of its pieces, how many there are, and, in
-- milliseconds of this server's clock, until when an undecided one is left alone.
-- A staged group is a hash: 'count' has how many pieces there are and how many fields; N:items, N:objects, N:places, N:1, N:2 … are
-- what commit.lua calls ARGV[5], [6], [7], [8], [9] … of piece N, counted from 0, and N:keys are its KEYS. 'cells' are the keys of cells
-- that were sent past it.

local GATE = KEYS[1]
local staged, receiptsKey, group, word, keptMs, leaseMs, isAgain = KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1'

local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function reopen(after) redis.call('SET', GATE, string.format('%.0f', after)) end

local kind, holder, piece, pieces, untilMs = string.match(gate or '', '^([?!])(%S+) (%d+) (%d+) (%d+)$')

if word == 'free' then
  if kind == '?' and holder == group and nowMs() > tonumber(untilMs) then
    redis.call('PERSIST', staged) -- first, since after it a full memory refuses nothing more: see below
    reopen(seq)
    redis.call('PEXPIRE', staged, keptMs)
  end
  return { seq }
end

local receipt = redis.call('HGET', receiptsKey, group)
if receipt then
  redis.call('UNLINK', staged)
  return { seq, receipt == 'refused' and { receipt } or receipt }
end
if gate and holder ~= group then return { 'busy', gate } end
if not gate then
  if word ~= 'begin' then return { seq, 'over' } end
  local count, fields = string.match(redis.call('HGET', staged, 'count') or '', '^(%d+) (%d+)$')
  if not count or redis.call('HLEN', staged) ~= tonumber(fields) then return { seq, 'gone' } end
  kind, piece, pieces = '?', 0, count
end
piece, pieces, isStaged, isDecided = tonumber(piece), tonumber(pieces), true, kind == '!'

-- A group that is decided must be applied, if the memory is full or not: a server refuses only the first write of a script.
if isDecided then redis.call('PERSIST', staged) end

local function part(name) return redis.call('HGET', staged, piece .. ':' .. name) end
local KEYS, ARGV = cmsgpack.unpack(part('keys')), { [5] = part('items'), [6] = part('objects'), [7] = part('places') }
for i = 1, #cmsgpack.unpack(ARGV[7]) do ARGV[7 + i] = part(i) end
