-- Applies groups of one domain, one after the other, each whole or not at all: everything is looked at before anything is written.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  what the groups touch, objects aside; ops name a key by its number. Objects and their large cells share its hash tag.
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    how long receipts are kept, in milliseconds
-- ARGV[3]    '1' if a copy of the call may be under way: then a refusal is kept as well
-- ARGV[4]    how many groups
-- ARGV[5]    a list in MessagePack, for each group
--   commit, its clock in microseconds, number of the key of its receipts, how many items follow up to its end,
--   how many marks, for each: key, name, attempt, value
--   how many tables, for each: first of its keys (definition, index, rows, counters), tag of the definition
--   how many ops, for each: its name, its key, and what the functions in `ops` take
-- ARGV[6]    keys of the objects that the groups touch, new ones aside, in MessagePack; ops name an object by its number
-- ARGV[7]    places in the list of ARGV[5], in MessagePack, that the following take
-- ARGV[8..]  items too large for it
-- In front stand text.lua, object.lua and group-*.lua, which has the ops.
-- Returns the sequence, then for each group '', or a list that says what stood in its way. 'again': a large cell that was sent before the
-- script has not arrived, or has been dropped since.

local receiptsKeptMs, isAgain, groups = ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

-- Receipts, those of all groups at once: by key of the window the ids asked for, and by id what stands
local windows, receipts, added = {}, {}, {}

local function readReceipts()
  for _ = 1, groups do
    local id, _, key, length = take(), take(), takeKey(), take()
    local window = windows[key] or {}
    windows[key] = window
    window[#window + 1] = id
    at = at + length
  end
  at = 0
  for key, ids in pairs(windows) do
    for i, receipt in ipairs(call('HMGET', key, unpack(ids))) do receipts[ids[i]] = receipt end
  end
end

-- A refusal that is kept is counted as well: so a server that has lost it is known to have gone back.
local isAnyKept = false

local function keepReceipt(key, text)
  receipts[commit], isAnyKept = text, true
  local list = added[key] or {}
  added[key] = list
  list[#list + 1], list[#list + 2] = commit, text
end

local function writeReceipts()
  for key, list in pairs(added) do
    call('HSET', key, unpack(list))
    call('PEXPIRE', key, receiptsKeptMs)
  end
end

local function apply()
  commit, micros, writes = take(), take(), {}
  local key, length = takeKey(), take()
  local stop = at + length
  local receipt, refused = receipts[commit], nil
  if not receipt then refused = plan()
  elseif receipt == 'refused' then refused = { 'refused' } end
  at = stop
  if refused then
    if isAgain and refused[1] ~= 'mark' and refused[1] ~= 'again' and not receipt then keepReceipt(key, 'refused') end
    return refused
  end
  if receipt then return receipt end
  for i = 1, #writes do writes[i]() end
  keepReceipt(key, '')
  return ''
end

local results = { seq }
readReceipts()
for i = 1, groups do results[i + 1] = apply() end
writeObjects()
writeReceipts()
if isAnyKept then
  call('SET', KEYS[1], nextSeq)
  results[1] = nextSeq
end
return results
