-- Applies groups of one domain, one after the other, each whole or not at all: everything is looked at before anything is written.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  whatever the groups touch; ops name a key by its number
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    how long receipts are kept, in milliseconds
-- ARGV[3]    how many groups; then for each group
--   commit, its clock in microseconds, '1' if a copy of it may be under way (then a refusal is kept as well), number of the key of
--   its receipts, how many arguments follow up to its end,
--   how many marks, for each: key, name, attempt, value
--   how many tables, for each: first of its keys (definition, index, rows, counters), tag of the definition
--   how many ops, for each: its name, its key, and what the functions in `ops` take
-- Returns the sequence, then for each group { 'ok', revisions } or what stood in its way.

local at = 3
local function take()
  at = at + 1
  return ARGV[at]
end
local function takeKey() return KEYS[tonumber(take())] end
local function takeList()
  local list, n = {}, tonumber(take())
  for i = 1, n do list[i] = take() end
  return list
end

-- Of the group at hand
local commit, micros, revisions, writes
local function later(write) writes[#writes + 1] = write end

local MANY = 2000 -- well below what unpack can put on Lua's stack
local function each(command, key, list)
  for i = 1, #list, MANY do redis.call(command, key, unpack(list, i, math.min(i + MANY - 1, #list))) end
end

-- Objects: a hash of '@' (revision commit class), '#' (names in order), '!' and '!r' (an intent and what it applies), '.name'

local function stampOf(meta)
  return meta and string.match(meta, '^%d+ %S+') or nil
end

-- What stands in the way of a change of an object or alias, if anything does
local function refusal(key, expect, isAsExpected)
  local found = redis.call('HMGET', key, '@', '!')
  local meta, intent = found[1], found[2]
  if intent and string.sub(intent, 1, 36) ~= commit then return nil, nil, { 'held', meta, intent } end
  if not isAsExpected(meta, expect) then return nil, nil, { 'stale', meta, false } end
  return meta, intent, nil
end

local function isObject(meta, expect)
  if expect == 'absent' then return not meta end
  if expect == 'present' then return meta and true or false end
  return stampOf(meta) == expect
end

local function isAlias(meta, expect)
  if expect == 'absent' then return not meta end
  if expect == 'present' then return meta and true or false end
  return meta and string.sub(meta, 1, 36) == expect
end

local function orderOf(names)
  local parts = {}
  for i = 1, #names do parts[i] = #names[i] .. ':' .. names[i] end
  return table.concat(parts)
end

local function withoutGone(key, order) -- names of fields that were dropped pile up otherwise
  local kept = {}
  for _, name in ipairs(netstrings(order)) do
    if redis.call('HEXISTS', key, name) == 1 then kept[#kept + 1] = name end
  end
  return orderOf(kept)
end

-- set: name, value, name, value. Fields keep their place, new ones come last.
local function putCells(key, meta, class, set, unset)
  local revision = (meta and tonumber(string.match(meta, '^%d+')) or 0) + 1
  local names = {}
  if not meta then
    for i = 1, #set, 2 do names[#names + 1] = set[i] end
    each('HSET', key, set)
  else
    if #unset > 0 then each('HDEL', key, unset) end
    for i = 1, #set, 2 do
      if redis.call('HSET', key, set[i], set[i + 1]) == 1 then names[#names + 1] = set[i] end
    end
  end
  local stamp = string.format('%.0f %s', revision, commit)
  if #names == 0 and meta then
    redis.call('HSET', key, '@', stamp .. ' ' .. class)
  else
    local order = (meta and redis.call('HGET', key, '#') or '') .. orderOf(names)
    redis.call('HSET', key, '@', stamp .. ' ' .. class, '#', order)
    if meta and #unset > 0 then redis.call('HSET', key, '#', withoutGone(key, order)) end
  end
  return revision
end

local ops = {}

-- key, expect, class, cells to set, cells to drop
function ops.put()
  local key, expect, class, set, unset = takeKey(), take(), take(), takeList(), takeList()
  local meta, _, refused = refusal(key, expect, isObject)
  if refused then return refused end
  revisions[#revisions + 1] = (meta and tonumber(string.match(meta, '^%d+')) or 0) + 1
  later(function() putCells(key, meta, class, set, unset) end)
end

-- key, expect, key of the hints at its aliases
function ops.remove()
  local key, expect, hints = takeKey(), take(), takeKey()
  local _, _, refused = refusal(key, expect, isObject)
  if refused then return refused end
  later(function() redis.call('UNLINK', key, hints) end)
end

-- key, expect
function ops.check()
  local key, expect = takeKey(), take()
  local _, _, refused = refusal(key, expect, isObject)
  return refused
end

-- key, expect, 'id class' or ''
function ops.name()
  local key, expect, to = takeKey(), take(), take()
  local _, _, refused = refusal(key, expect, isAlias)
  if refused then return refused end
  later(function()
    if to == '' then redis.call('UNLINK', key) else redis.call('HSET', key, '@', to) end
    redis.call('HDEL', key, '!', '!r')
  end)
end

-- key of the hints of an object, alias
function ops.hint()
  local key, alias = takeKey(), take()
  later(function() redis.call('SADD', key, alias) end)
end

-- Rows: of a table's keys the first is its definition, then the index (sorted set of keys), rows (hash), counters (hash)

local function tableKeys()
  local first = tonumber(take())
  return KEYS[first + 1], KEYS[first + 2], KEYS[first + 3]
end

local function clockOf(row) return string.match(row, '^%d+') end
local function valuesOf(row) return string.sub(row, #clockOf(row) + 2) end

local function writeRow(index, rows, sums, key, clock, values, counters)
  if values ~= '' then
    redis.call('HSET', rows, key, clock .. ' ' .. values)
    redis.call('ZADD', index, 0, key)
  else
    redis.call('HSET', rows, key, clock)
    for _, column in ipairs(counters) do redis.call('HDEL', sums, column .. ' ' .. key) end
    redis.call('ZREM', index, key)
  end
end

-- table, expect ('', 'none' or a clock), key, values ('': remove), counter columns
function ops.row()
  local index, rows, sums = tableKeys()
  local expect, key, values, counters = take(), take(), take(), takeList()
  if expect == '' then
    later(function()
      local found = redis.call('HGET', rows, key)
      if found then
        local clock = clockOf(found)
        if isLess(micros, clock) then return end
        if clock == micros and not isLessBytes(valuesOf(found), values) then return end
      end
      writeRow(index, rows, sums, key, micros, values, counters)
    end)
    return
  end
  local found = redis.call('HGET', rows, key)
  local isVisible = redis.call('ZSCORE', index, key)
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
    redis.call('HSET', sums, field, add(redis.call('HGET', sums, field) or '0', by))
    redis.call('ZADD', index, 0, key)
  end)
end

-- key, 'mark' or 'outcome', names. A mark is 36 characters of attempt, 'c' or 'a', and, if it has an outcome, '1' and that.
function ops.forget()
  local key, what, names = takeKey(), take(), takeList()
  for _, name in ipairs(names) do
    later(function()
      if what == 'mark' then redis.call('HDEL', key, name) return end
      local mark = redis.call('HGET', key, name)
      if mark then redis.call('HSET', key, name, string.sub(mark, 1, 37) .. '0') end
    end)
  end
end

-- key, 'o' or 'a', expect, intent (36 characters of its commit first), what it applies
function ops.reserve()
  local key, kind, expect, intent, redo = takeKey(), take(), take(), take(), take()
  local holder = string.sub(intent, 1, 36)
  local standing = redis.call('HGET', key, '!')
  if standing and string.sub(standing, 1, 36) == holder then return end
  local own = commit
  commit = holder
  local _, _, refused = refusal(key, expect, kind == 'o' and isObject or isAlias)
  commit = own
  if refused then return refused end
  later(function() redis.call('HSET', key, '!', intent, '!r', redo) end)
end

local redone = {}
function redone.put(key, parts)
  local set, unset = {}, {}
  local n = tonumber(parts[3])
  for i = 4, 3 + n do set[#set + 1] = parts[i] end
  for i = 4 + n, #parts do unset[#unset + 1] = parts[i] end
  putCells(key, redis.call('HGET', key, '@'), parts[2], set, unset)
end
function redone.remove(key) redis.call('UNLINK', key) end
function redone.name(key, parts)
  if parts[2] == '' then redis.call('UNLINK', key) else redis.call('HSET', key, '@', parts[2]) end
end

-- key, commit of the intent, '1' to take it
function ops.settle()
  local key, holder, isTaken = takeKey(), take(), take() == '1'
  local found = redis.call('HMGET', key, '!', '!r')
  if not found[1] or string.sub(found[1], 1, 36) ~= holder then return end
  later(function()
    redis.call('HDEL', key, '!', '!r')
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
    if isKept then redis.call('HSET', key, staged, redo) else redis.call('HDEL', key, staged) end
  end)
end

-- Marks come before anything else: a later attempt of a task that has committed finds stale stamps as well.
local function marks()
  local inTheWay
  for i = 1, tonumber(take()) do
    local key, name, attempt, value = takeKey(), take(), take(), take()
    local standing = redis.call('HGET', key, name)
    if standing and string.sub(standing, 1, 36) ~= attempt then
      inTheWay = inTheWay or { 'mark', i - 1, standing }
    elseif not standing then
      later(function() redis.call('HSETNX', key, name, value) end)
    end
  end
  return inTheWay
end

local function tables()
  local missing
  for i = 1, tonumber(take()) do
    local key, tag = takeKey(), take()
    if not missing and redis.call('HGET', key, 'tag') ~= tag then missing = { 'table', i - 1 } end
  end
  return missing
end

local function plan()
  local refused = marks() or tables()
  if refused then return refused end
  for i = 1, tonumber(take()) do
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
  redis.call('HSET', receipts, commit, text)
  touched[receipts] = true
end

local function apply()
  commit, micros, revisions, writes = take(), take(), {}, {}
  local isAgain, receipts, length = take() == '1', takeKey(), tonumber(take())
  local stop = at + length
  local kept = redis.call('HGET', receipts, commit)
  local refused
  if kept == 'refused' then refused = { 'refused' }
  elseif kept then
    at = stop
    return { 'ok', kept }
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
  return { 'ok', text }
end

local results = { seq }
for i = 1, tonumber(ARGV[3]) do results[#results + 1] = apply() end
for receipts in pairs(touched) do redis.call('PEXPIRE', receipts, ARGV[2]) end
if isChanged then results[1] = redis.call('INCR', KEYS[1]) end
return results
