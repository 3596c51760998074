-- Put in front of commit.lua: objects. Those that a call touches, new ones aside, are read together at its start, changed here from group
-- to group, and written together at its end: a command for each of them would take longer than all the rest.

local objectKeys = cmsgpack.unpack(ARGV[6])
local values = each('MGET', objectKeys) -- as they stand, in the order of the keys; false: nothing
local opened = {} -- those that were taken apart
local changed, isChanged = {}, {}

local function objectAt(n)
  local object = opened[n]
  if not object then
    object = open(values[n])
    object.key = objectKeys[n]
    opened[n] = object
  end
  return object
end

local function noteChange(n)
  if not isChanged[n] then
    isChanged[n] = true
    changed[#changed + 1] = n
  end
end

-- An object that was taken apart and changed, as a value
local function setValue(n, object)
  local body = object.head and '.' .. object.head .. '\n' .. object.packed or ''
  if object.intent then body = '!' .. #object.intent .. ':' .. object.intent .. #object.redo .. ':' .. object.redo .. body end
  values[n] = body ~= '' and body
  noteChange(n)
end

local function writeObjects()
  local set, gone = {}, {}
  for i = 1, #changed do
    local n = changed[i]
    if values[n] then set[#set + 1], set[#set + 2] = objectKeys[n], values[n]
    else gone[#gone + 1] = objectKeys[n] end
  end
  for i = 1, #set, MANY do call('MSET', unpack(set, i, min(#set, i + MANY - 1))) end
  for i = 1, #gone, MANY do call('UNLINK', unpack(gone, i, min(#gone, i + MANY - 1))) end
end

-- What stands in the way of a change of an object, if anything does
local function refusal(object, expect, holder)
  if isDecided then return end
  if object.intent and sub(object.intent, 1, 36) ~= holder then return { 'held', object.head or false, object.intent } end
  local head, isAsExpected = object.head
  if expect == 'absent' then isAsExpected = not head
  elseif expect == 'present' then isAsExpected = head
  else isAsExpected = head and sub(head, 1, #expect + 1) == expect .. ' ' end
  if not isAsExpected then return { 'stale', head or false, false } end
end

local larges = 0

-- Whether a cell was sent past the script, and is named by '\3' NAME ' ' bytes
local function isSent(cell) return string.byte(cell) == 3 end

-- A cell as it stands in the list; a large one is put elsewhere
local function kept(key, cell, holder)
  if isSent(cell) then
    local mark = '\2' .. sub(cell, 2)
    call('PERSIST', largeKey(key, mark))
    return mark
  end
  if #cell <= LARGE then return cell end
  larges = larges + 1
  local mark = '\2' .. holder .. '.' .. larges .. ' ' .. #cell
  call('SET', largeKey(key, mark), cell)
  return mark
end

local function dropLarge(key, cell)
  if isLarge(cell) then call('UNLINK', largeKey(key, cell)) end
end

local function without(key, list, unset)
  local isGone, rest = {}, {}
  for _, name in ipairs(unset) do isGone[name] = true end
  for i = 1, #list, 2 do
    if isGone[list[i]] then dropLarge(key, list[i + 1])
    else rest[#rest + 1], rest[#rest + 2] = list[i], list[i + 1] end
  end
  return rest
end

local function placeOf(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then return i + 1 end
  end
end

-- A list of cells with others put: from first to last of `set` name, cell, name, cell. Fields keep their place, new ones come last.
local function putCells(key, packed, set, first, last, unset, holder)
  local list = packed and cmsgpack.unpack(packed) or {}
  local places
  if last - first > 16 then -- else looking through the list is quicker
    places = {}
    for i = 1, #list, 2 do places[list[i]] = i + 1 end
  end
  for i = first, last, 2 do
    local name = set[i]
    local place
    if places then place = places[name] else place = placeOf(list, name) end
    if place then dropLarge(key, list[place])
    else
      place = #list + 2
      list[place - 1] = name
    end
    list[place] = kept(key, set[i + 1], holder)
  end
  if #unset > 0 then list = without(key, list, unset) end
  return cmsgpack.pack(list)
end

local NONE = {}

-- object, '.' revision ' ' commit ' ' that it must have, head as it is to stand, cells to set: the short way of most changes
function ops.change()
  local n, expect, head = take(), take(), take()
  local first, last = takeRange()
  local value = values[n]
  if not value or sub(value, 1, #expect) ~= expect then
    local object = objectAt(n)
    local refused = refusal(object, sub(expect, 2, -2), commit)
    if refused then return refused end
    later(function()
      object.head, object.packed = sub(head, 2, -2), putCells(object.key, object.packed, items, first, last, NONE, commit)
      setValue(n, object)
    end)
    return
  end
  writes[#writes + 1] = function()
    local newline = find(value, '\n', #expect, true)
    values[n] = head .. putCells(objectKeys[n], sub(value, newline + 1), items, first, last, NONE, commit)
    opened[n] = nil
    noteChange(n)
  end
end

-- object, expect, head as it is to stand, cells to set, cells to drop
function ops.put()
  local n = take()
  local object, expect, head = objectAt(n), take(), take()
  local first, last = takeRange()
  local unset = takeList()
  local refused = refusal(object, expect, commit)
  if refused then return refused end
  for i = first + 1, last, 2 do
    if isSent(items[i]) and not isDecided and call('EXISTS', largeKey(object.key, '\2' .. sub(items[i], 2))) == 0 then return { 'again' } end
  end
  later(function()
    object.head, object.packed = sub(head, 2, -2), putCells(object.key, object.packed, items, first, last, unset, commit)
    setValue(n, object)
  end)
end

local function removeObject(n, object)
  local cells = cellsWithLarge(object)
  for i = 2, #cells, 2 do dropLarge(object.key, cells[i]) end
  object.head, object.packed = nil, nil
  setValue(n, object)
end

-- object, expect, key of the hints at its aliases
function ops.remove()
  local n = take()
  local object, expect, hints = objectAt(n), take(), takeKey()
  local refused = refusal(object, expect, commit)
  if refused then return refused end
  later(function()
    object.intent, object.redo = nil, nil
    removeObject(n, object)
    call('UNLINK', hints)
  end)
end

-- object, expect
function ops.check()
  local object, expect = objectAt(take()), take()
  return refusal(object, expect, commit)
end

-- object, expect, intent (36 characters of its commit first), what it applies
function ops.reserve()
  local n, expect, intent, redo = take(), take(), take(), take()
  local object, holder = objectAt(n), sub(intent, 1, 36)
  if object.intent and sub(object.intent, 1, 36) == holder then return end
  local refused = refusal(object, expect, holder)
  if refused then return refused end
  later(function()
    object.intent, object.redo = intent, redo
    setValue(n, object)
  end)
end

local function revisionAfter(head) return head and format('%.0f', tonumber(match(head, '^%d+')) + 1) or '1' end

local redone = {}
function redone.put(n, object, parts, holder)
  local unset, last = {}, 3 + tonumber(parts[3])
  for i = last + 1, #parts do unset[#unset + 1] = parts[i] end
  local packed = putCells(object.key, object.packed, parts, 4, last, unset, holder)
  -- The stamp names the round, not the group that settles it.
  object.head, object.packed = revisionAfter(object.head) .. ' ' .. holder .. ' ' .. parts[2], packed
end
function redone.remove(n, object) removeObject(n, object) end

-- object, commit of the intent, '1' to take it
function ops.settle()
  local n, holder, isTaken = take(), take(), take() == '1'
  local object = objectAt(n)
  if not object.intent or sub(object.intent, 1, 36) ~= holder then return end
  later(function()
    local redo = object.redo
    if not redo then return end -- another op of the group has settled it
    object.intent, object.redo = nil, nil
    if isTaken then
      for _, part in ipairs(netstrings(redo)) do
        local parts = netstrings(part)
        redone[parts[1]](n, object, parts, holder)
      end
    end
    setValue(n, object)
  end)
end

-- New objects: key, value, key, value. In the end they are looked for and written by one command, if there are not too many: a loop over
-- them would take longer than that. `fresh` is the list that holds them, from first to last.
local fresh, freshFirst, freshLast, freshOps

-- Objects that must not exist, as they are to stand
function ops.new(number)
  local first, last = takeRange()
  freshOps[#freshOps + 1] = { number, (last - first + 1) / 2 }
  if not fresh then
    fresh, freshFirst, freshLast = items, first, last
    return
  end
  local all = {}
  for i = freshFirst, freshLast do all[#all + 1] = fresh[i] end
  for i = first, last do all[#all + 1] = items[i] end
  fresh, freshFirst, freshLast = all, 1, #all
end

-- Later groups of the call may touch them
local function noteFresh()
  if #objectKeys == 0 then return end
  local made = {}
  for i = freshFirst, freshLast, 2 do made[fresh[i]] = fresh[i + 1] end
  for n, key in ipairs(objectKeys) do
    if made[key] then values[n], opened[n] = made[key], nil end
  end
end

-- Whether all new objects are such, and whether they stand already
local function areFresh(areOthersFine)
  if areOthersFine and freshLast - freshFirst < MANY then
    local isNew = call('MSETNX', unpack(fresh, freshFirst, freshLast)) == 1
    if isNew then noteFresh() end
    return isNew, isNew
  end
  local keys, count = {}, 0
  for i = freshFirst, freshLast, 2 do keys[#keys + 1] = fresh[i] end
  for i = 1, #keys, MANY do count = count + call('EXISTS', unpack(keys, i, min(#keys, i + MANY - 1))) end
  return count == 0, false
end

local function writeFresh()
  for i = freshFirst, freshLast, MANY do call('MSET', unpack(fresh, i, min(freshLast, i + MANY - 1))) end
  noteFresh()
end

local function numberOfKey(key)
  for n, known in ipairs(objectKeys) do
    if known == key then return n end
  end
  local n = #objectKeys + 1
  objectKeys[n], values[n] = key, call('GET', key)
  return n
end

-- One by one, since some stand, or are reserved: by their own round they may be
local function checkFresh()
  local i = freshFirst
  for _, op in ipairs(freshOps) do
    for nth = 0, op[2] - 1 do
      local n, made = numberOfKey(fresh[i]), open(fresh[i + 1])
      local object = objectAt(n)
      local refused = refusal(object, 'absent', commit)
      if refused then return refused, op[1] + nth end
      later(function()
        object.head, object.packed = made.head, made.packed
        setValue(n, object)
      end)
      i = i + 2
    end
  end
end

-- What stands in the way of the new objects, and the number of its op
local function freshRefusal(areOthersFine)
  if not fresh then return end
  local areAll, areWritten = areFresh(areOthersFine and not isStaged)
  if not areAll then return checkFresh() end
  if not areWritten then later(writeFresh) end
end
