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
-- Returns the sequence, then for each group '', or a list that says what stood in its way.

local receiptsKeptMs, isAgain, groups = ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

-- key, 'mark' or 'outcome', names. A mark is 36 characters of attempt, 'c' or 'a', and, if it has an outcome, '1' and that.
function ops.forget()
  local key, what, names = takeKey(), take(), takeList()
  for _, name in ipairs(names) do
    later(function()
      if what == 'mark' then call('HDEL', key, name) return end
      local mark = call('HGET', key, name)
      if mark then call('HSET', key, name, sub(mark, 1, 37) .. '0') end
    end)
  end
end

-- key, commit, '1' and redo, or '0' and nothing
function ops.stage()
  local key, staged, isKept, redo = takeKey(), take(), take() == '1', take()
  later(function()
    if isKept then call('HSET', key, staged, redo) else call('HDEL', key, staged) end
  end)
end

-- Marks come before anything else: a later attempt of a task that has committed finds stale stamps as well.
local function marks()
  local inTheWay
  for i = 1, take() do
    local key, name, attempt, value = takeKey(), take(), take(), take()
    local standing = call('HGET', key, name)
    if standing and sub(standing, 1, 36) ~= attempt then
      inTheWay = inTheWay or { 'mark', i - 1, standing }
    elseif not standing then
      later(function() call('HSETNX', key, name, value) end)
    end
  end
  return inTheWay
end

local function tables()
  local missing
  for i = 1, take() do
    local key, tag = takeKey(), take()
    local found = call('HMGET', key, 'tag', 'wide')
    if not missing and found[1] ~= tag then missing = { 'table', i - 1 } end
    wide[key] = found[2]
  end
  return missing
end

local function plan()
  local refused, number = marks() or tables(), nil
  if refused then return refused end
  fresh, freshOps = nil, {}
  local i, count = 1, take()
  while i <= count do
    local name, first = take(), at
    refused = ops[name](i)
    if refused then
      number = i
      break
    end
    i = i + (name == 'new' and items[first + 1] / 2 or 1)
  end
  local earlier, earlierNumber = freshRefusal(not refused)
  if earlier then refused, number = earlier, earlierNumber end
  if refused then table.insert(refused, 2, number - 1) end
  return refused
end

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

local function keepReceipt(key, text)
  receipts[commit] = text
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

local isAnyApplied = false

local function apply()
  commit, micros, writes = take(), take(), {}
  local key, length = takeKey(), take()
  local stop = at + length
  local receipt, refused = receipts[commit], nil
  if not receipt then refused = plan()
  elseif receipt == 'refused' then refused = { 'refused' } end
  at = stop
  if refused then
    if isAgain and refused[1] ~= 'mark' and not receipt then keepReceipt(key, 'refused') end
    return refused
  end
  if receipt then return receipt end
  for i = 1, #writes do writes[i]() end
  keepReceipt(key, '')
  isAnyApplied = true
  return ''
end

local results = { seq }
readReceipts()
for i = 1, groups do results[i + 1] = apply() end
writeObjects()
writeReceipts()
if isAnyApplied then results[1] = call('INCR', KEYS[1]) end
return results
