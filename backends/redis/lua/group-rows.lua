-- Put in front of commit.lua: rows.
--
-- Rows: of a table's keys the first is its definition, then the index (sorted set of keys), rows (hash), counters (hash)

-- Of tables that have gained columns how many they are
local wide = {}

-- Index, rows, counters; how many columns, if it has gained any
local function tableKeys()
  local first = take()
  return KEYS[first + 1], KEYS[first + 2], KEYS[first + 3], wide[KEYS[first]]
end

-- Of what another program has put there: older than any, so that whoever writes the row mends it. It must not end a script that has begun to
-- write.
local function clockOf(row) return match(row, '^%d+') or '0' end
local function valuesOf(row) return match(row, '^%d+ (.*)') or '' end

-- Where each value of a JSON list begins, and where its bracket closes; nothing of what is no such list
local function placesIn(list)
  local places, depth, at = { sub(list, 2, 2) ~= ']' and 2 or nil }, 0, 2
  while true do
    at = find(list, '[%[%]{}",]', at)
    if not at then return end
    local sign = sub(list, at, at)
    if sign == '"' then
      repeat
        at = find(list, '["\\\\]', at + 1)
        if not at then return end
        local isEnd = sub(list, at, at) == '"'
        if not isEnd then at = at + 1 end
      until isEnd
    elseif sign == '[' or sign == '{' then depth = depth + 1
    elseif sign == ',' then
      if depth == 0 then places[#places + 1] = at + 1 end
    elseif depth == 0 then return places, at
    else depth = depth - 1 end
    at = at + 1
  end
end

-- The values of a writer that does not know the last columns, over a row whose last columns stay as they are
local function over(values, row)
  local standing = row and valuesOf(row)
  if not standing or standing == '' or values == '' then return values end
  local places, old = placesIn(values), placesIn(standing)
  if not old or #places >= #old then return values end
  return sub(values, 1, -2) .. (#places > 0 and ',' or '') .. sub(standing, old[#places + 1])
end

-- Where the writer may not know all counters, each column may be one.
local function drop(index, rows, sums, key, clock, counters, width)
  call('ZREM', index, key) -- first: a server whose memory is full refuses a script whose first write may take more
  for _, column in ipairs(counters) do call('HDEL', sums, column .. ' ' .. key) end
  for column = 0, (width or 0) - 1 do call('HDEL', sums, column .. ' ' .. key) end
  call('HSET', rows, key, clock)
end

local ROWS = 1000

-- The next rows of the items, each key once, as far as one look at the table goes
local function chunk(first, last)
  local keys, isThere, i = {}, {}, first
  while i <= last and #keys < ROWS and not isThere[items[i]] do
    isThere[items[i]] = true
    keys[#keys + 1] = items[i]
    i = i + 2
  end
  return keys, i
end

local function isNewer(found, values)
  if not found then return true end
  local clock = clockOf(found)
  return isLess(clock, micros) or (clock == micros and isLessBytes(valuesOf(found), values))
end

-- items from first to last: key, values, key, values; '' removes
local function writeRows(index, rows, sums, width, first, last, counters)
  while first <= last do
    local keys, next = chunk(first, last)
    local found, set, ranked = call('HMGET', rows, unpack(keys)), {}, {}
    for i, key in ipairs(keys) do
      local values = items[first + i * 2 - 1]
      if width then values = over(values, found[i]) end
      if isNewer(found[i], values) then
        if values == '' then drop(index, rows, sums, key, micros, counters, width)
        else
          set[#set + 1], set[#set + 2] = key, micros .. ' ' .. values
          ranked[#ranked + 1], ranked[#ranked + 2] = 0, key
        end
      end
    end
    if #set > 0 then
      call('HSET', rows, unpack(set))
      call('ZADD', index, unpack(ranked))
    end
    first = next
  end
end

-- table, counter columns, rows: key, values ('': remove). They are written, whoever wrote before, unless that one's clock is ahead.
function ops.rows()
  local index, rows, sums, width = tableKeys()
  local counters = takeList()
  local first, last = takeRange()
  later(function() writeRows(index, rows, sums, width, first, last, counters) end)
end

-- A row as it stands, its clock, and what stands in the way of who expects another clock
local function standing(index, rows, key, expect)
  local found = call('HGET', rows, key)
  local clock = found and clockOf(found) or '0'
  local seen = call('ZSCORE', index, key) and clock
  return found, clock, (seen or 'none') ~= expect and { 'row', seen or false } or nil
end

-- table, expect ('none' or a clock), key
function ops.checkRow()
  local index, rows = tableKeys()
  local expect, key = take(), take()
  if isDecided then return end
  local _, _, refused = standing(index, rows, key, expect)
  return refused
end

-- table, expect ('none' or a clock), key, values ('': remove), counter columns
function ops.row()
  local index, rows, sums, width = tableKeys()
  local expect, key, values, counters = take(), take(), take(), takeList()
  local found, clock, refused = standing(index, rows, key, expect)
  if refused and not isDecided then return refused end
  -- A checked write happens whatever the clocks say, and must be told from the one it replaces.
  local next = (found and not isLess(clock, micros)) and add(clock, '1') or micros
  later(function()
    if values == '' then return drop(index, rows, sums, key, next, counters, width) end
    if width then values = over(values, call('HGET', rows, key)) end
    call('HSET', rows, key, next .. ' ' .. values)
    call('ZADD', index, 0, key)
  end)
end

local MOST, LEAST, ALL = '9223372036854775807', '-9223372036854775808', '18446744073709551616'

-- Sums are of 64 bits, as in every store: what goes over one end comes in at the other
local function sum64(a, b)
  local sum = add(a, b)
  if #sum < #MOST then return sum end
  if sub(sum, 1, 1) == '-' then return isLess(sub(LEAST, 2), sub(sum, 2)) and add(sum, ALL) or sum end
  return isLess(MOST, sum) and add(sum, '-' .. ALL) or sum
end

-- table, key, field of the counters, by
function ops.add()
  local index, _, sums = tableKeys()
  local key, field, by = take(), take(), take()
  local standing = call('HGET', sums, field)
  if standing and not isDecided and not find(standing, '^-?%d+$') then return { 'damaged' } end
  later(function()
    call('HSET', sums, field, sum64(call('HGET', sums, field) or '0', by))
    call('ZADD', index, 0, key)
  end)
end
