-- Applies groups of one domain, one after the other, each whole or not at all: everything is looked at before anything is written.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  whatever the groups touch; ops name a key by its number
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    how long receipts are kept, in milliseconds
-- ARGV[3]    '1' if a copy of the call may be under way: then a refusal is kept as well
-- ARGV[4]    how many groups
-- ARGV[5]    a list in MessagePack, for each group
--   commit, its clock in microseconds, number of the key of its receipts, how many items follow up to its end,
--   how many marks, for each: key, name, attempt, value
--   how many tables, for each: first of its keys (definition, index, rows, counters), tag of the definition
--   how many ops, for each: its name, its key, and what the functions in `ops` take
-- ARGV[6]    places in that list, in MessagePack, that the following take
-- ARGV[7..]  items too large for it
-- Returns the sequence, then for each group the revisions of its objects, or a list that says what stood in its way.

local KEYS, call, unpack, tonumber = KEYS, redis.call, unpack, tonumber
local match, sub, format = string.match, string.sub, string.format
local receiptsKeptMs, isAgain, groups = ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local items = cmsgpack.unpack(ARGV[5])
for i, place in ipairs(cmsgpack.unpack(ARGV[6])) do items[place] = ARGV[6 + i] end

local at = 0
local function take()
  at = at + 1
  return items[at]
end
local function takeKey()
  at = at + 1
  return KEYS[items[at]]
end
local function takeRange() -- where the items behind their number begin and end
  local first = at + 2
  at = first - 1 + items[at + 1]
  return first, at
end
local function takeList()
  local first, last = takeRange()
  local list = {}
  for i = first, last do list[i - first + 1] = items[i] end
  return list
end

-- Of the group at hand
local commit, micros, revisions, writes
local function later(write) writes[#writes + 1] = write end

local MANY = 4000 -- below what unpack can put on Lua's stack, and even
local function each(command, key, list, first, last)
  local changed = 0
  for i = first, last, MANY do
    local upto = i + MANY - 1
    if upto > last then upto = last end
    changed = changed + call(command, key, unpack(list, i, upto))
  end
  return changed
end

-- Objects: a hash of '@' (revision commit class), '#' (names in order), '!' and '!r' (an intent and what it applies), '.name'

-- What stands in the way of a change of an object or alias, if anything does; else what stands there
local function refusal(key, expect, isAsExpected)
  local found = call('HMGET', key, '@', '!')
  local meta, intent = found[1], found[2]
  if intent and sub(intent, 1, 36) ~= commit then return { 'held', meta, intent } end
  if not isAsExpected(meta, expect) then return { 'stale', meta, false } end
  return nil, meta
end

local function isObject(meta, expect)
  if expect == 'absent' then return not meta end
  if expect == 'present' then return meta and true or false end
  return meta and match(meta, '^%d+ %S+') == expect
end

local function isAlias(meta, expect)
  if expect == 'absent' then return not meta end
  if expect == 'present' then return meta and true or false end
  return meta and sub(meta, 1, 36) == expect
end

local function revisionAfter(meta) return meta and format('%.0f', tonumber(match(meta, '^%d+')) + 1) or '1' end

local function orderOf(names)
  local parts = {}
  for i = 1, #names do parts[i] = #names[i] .. ':' .. names[i] end
  return table.concat(parts)
end

-- Fields keep their place, new ones come last. Names of fields that were dropped go when others are dropped.
local function reorder(key, set, first, last, isDropping)
  local order = netstrings(call('HGET', key, '#') or '')
  local known, kept = {}, {}
  for _, name in ipairs(order) do
    known[name] = true
    if not isDropping or call('HEXISTS', key, name) == 1 then kept[#kept + 1] = name end
  end
  for i = first, last, 2 do
    if not known[set[i]] then kept[#kept + 1] = set[i] end
  end
  call('HSET', key, '#', orderOf(kept))
end

-- list: from first to last name, value, name, value
local function putCells(key, meta, class, list, first, last, unset)
  if #unset > 0 then each('HDEL', key, unset, 1, #unset) end
  local added = each('HSET', key, list, first, last)
  call('HSET', key, '@', revisionAfter(meta) .. ' ' .. commit .. ' ' .. class)
  if added > 0 or #unset > 0 or not meta then reorder(key, list, first, last, #unset > 0) end
end

local ops = {}

-- An object that must not exist. key, then fields and values as they are to stand
function ops.new()
  local key = takeKey()
  local first, last = takeRange()
  if call('EXISTS', key) == 1 then
    local refused = refusal(key, 'absent', isObject)
    if refused then return refused end
  end
  revisions[#revisions + 1] = '1'
  writes[#writes + 1] = function() each('HSET', key, items, first, last) end
end

-- key, expect, class, cells to set, cells to drop
function ops.put()
  local key, expect, class = takeKey(), take(), take()
  local first, last = takeRange()
  local unset = takeList()
  local refused, meta = refusal(key, expect, isObject)
  if refused then return refused end
  revisions[#revisions + 1] = revisionAfter(meta)
  later(function() putCells(key, meta, class, items, first, last, unset) end)
end

-- key, expect, key of the hints at its aliases
function ops.remove()
  local key, expect, hints = takeKey(), take(), takeKey()
  local refused = refusal(key, expect, isObject)
  if refused then return refused end
  later(function() call('UNLINK', key, hints) end)
end

-- key, expect
function ops.check()
  local key, expect = takeKey(), take()
  local refused = refusal(key, expect, isObject)
  return refused
end

-- key, expect, 'id class' or ''
function ops.name()
  local key, expect, to = takeKey(), take(), take()
  local refused = refusal(key, expect, isAlias)
  if refused then return refused end
  later(function()
    if to == '' then call('UNLINK', key) else call('HSET', key, '@', to) end
    call('HDEL', key, '!', '!r')
  end)
end

-- key of the hints of an object, alias
function ops.hint()
  local key, alias = takeKey(), take()
  later(function() call('SADD', key, alias) end)
end

-- Rows: of a table's keys the first is its definition, then the index (sorted set of keys), rows (hash), counters (hash)

local function tableKeys()
  local first = take()
  return KEYS[first + 1], KEYS[first + 2], KEYS[first + 3]
end

local function clockOf(row) return match(row, '^%d+') end
local function valuesOf(row) return sub(row, #clockOf(row) + 2) end

local function writeRow(index, rows, sums, key, clock, values, counters)
  if values ~= '' then
    call('HSET', rows, key, clock .. ' ' .. values)
    call('ZADD', index, 0, key)
  else
    call('HSET', rows, key, clock)
    for _, column in ipairs(counters) do call('HDEL', sums, column .. ' ' .. key) end
    call('ZREM', index, key)
  end
end

-- table, expect ('', 'none' or a clock), key, values ('': remove), counter columns
function ops.row()
  local index, rows, sums = tableKeys()
  local expect, key, values, counters = take(), take(), take(), takeList()
  if expect == '' then
    later(function()
      local found = call('HGET', rows, key)
      if found then
        local clock = clockOf(found)
        if isLess(micros, clock) then return end
        if clock == micros and not isLessBytes(valuesOf(found), values) then return end
      end
      writeRow(index, rows, sums, key, micros, values, counters)
    end)
    return
  end
  local found = call('HGET', rows, key)
  local isVisible = call('ZSCORE', index, key)
  local clock = found and clockOf(found) or '0'
  if (isVisible and clock or 'none') ~= expect then return { 'row', isVisible and clock or false } end
  -- A checked write happens whatever the clocks say, and must be told from the one it replaces.
  local next = (found and not isLess(clock, micros)) and add(clock, '1') or micros
  later(function() writeRow(index, rows, sums, key, next, values, counters) end)
end

-- table, key, field of the counters, by
function ops.add()
  local index, _, sums = tableKeys()
  local key, field, by = take(), take(), take()
  later(function()
    call('HSET', sums, field, add(call('HGET', sums, field) or '0', by))
    call('ZADD', index, 0, key)
  end)
end

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

-- key, 'o' or 'a', expect, intent (36 characters of its commit first), what it applies
function ops.reserve()
  local key, kind, expect, intent, redo = takeKey(), take(), take(), take(), take()
  local holder = sub(intent, 1, 36)
  local standing = call('HGET', key, '!')
  if standing and sub(standing, 1, 36) == holder then return end
  local own = commit
  commit = holder
  local refused = refusal(key, expect, kind == 'o' and isObject or isAlias)
  commit = own
  if refused then return refused end
  later(function() call('HSET', key, '!', intent, '!r', redo) end)
end

local redone = {}
function redone.put(key, parts)
  local unset, last = {}, 3 + tonumber(parts[3])
  for i = last + 1, #parts do unset[#unset + 1] = parts[i] end
  putCells(key, call('HGET', key, '@'), parts[2], parts, 4, last, unset)
end
function redone.remove(key) call('UNLINK', key) end
function redone.name(key, parts)
  if parts[2] == '' then call('UNLINK', key) else call('HSET', key, '@', parts[2]) end
end

-- key, commit of the intent, '1' to take it
function ops.settle()
  local key, holder, isTaken = takeKey(), take(), take() == '1'
  local found = call('HMGET', key, '!', '!r')
  if not found[1] or sub(found[1], 1, 36) ~= holder then return end
  later(function()
    call('HDEL', key, '!', '!r')
    local own = commit
    commit = holder -- the stamp names the round, not the group that settles it
    if isTaken then
      for _, redo in ipairs(netstrings(found[2])) do
        local parts = netstrings(redo)
        redone[parts[1]](key, parts)
      end
    end
    commit = own
  end)
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
    if not missing and call('HGET', key, 'tag') ~= tag then missing = { 'table', i - 1 } end
  end
  return missing
end

local function plan()
  local refused = marks() or tables()
  if refused then return refused end
  for i = 1, take() do
    local op = ops[take()]
    refused = op()
    if refused then
      table.insert(refused, 2, i - 1)
      return refused
    end
  end
end

local touched, isChanged = {}, false
local function keepReceipt(receipts, text)
  call('HSET', receipts, commit, text)
  touched[receipts] = true
end

local function apply()
  commit, micros, revisions, writes = take(), take(), {}, {}
  local receipts, length = takeKey(), take()
  local stop = at + length
  local kept = call('HGET', receipts, commit)
  local refused
  if kept == 'refused' then refused = { 'refused' }
  elseif kept then
    at = stop
    return kept
  else refused = plan() end
  at = stop
  if refused then
    if isAgain and refused[1] ~= 'mark' then keepReceipt(receipts, 'refused') end
    return refused
  end
  for i = 1, #writes do writes[i]() end
  local text = table.concat(revisions, ' ')
  keepReceipt(receipts, text)
  isChanged = true
  return text
end

local results = { seq }
for i = 1, groups do results[#results + 1] = apply() end
for receipts in pairs(touched) do call('PEXPIRE', receipts, receiptsKeptMs) end
if isChanged then results[1] = call('INCR', KEYS[1]) end
return results
