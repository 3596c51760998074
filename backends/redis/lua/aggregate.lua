-- Counts, sums, least and greatest values over a page of rows, by group. text.lua stands in front.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     first key (included)
-- ARGV[4]     key behind the last (not included)
-- ARGV[5]     how many rows at most; fewer than 8000, which is what Lua can hand to a command. Fewer are looked at where they are large
-- ARGV[6]     what to do, as JSON: { keys, by, ops, pattern, columns }
--               keys     of each key column its bytes, 0 for text
--               by       { at: 'key' or 'value', column, type }, columns counted from 1
--               ops      { word, at: 'rows', 'value' or 'counter', column, kind: 'whole', 'number' or 'text' }
--               pattern  finds the values of `columns` in a row. One that it does not fit is decoded, which takes five times as long.
-- Returns the sequence, the last key looked at or '' at the end, then for each group its values and its results; or 'table', or
-- 'unsupported' when a row holds what only the client can handle, be it that it is damaged.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local plan, max = cjson.decode(ARGV[6]), tonumber(ARGV[5])
local call, sub, find, match, tonumber = redis.call, string.sub, string.find, string.match, tonumber
local by, ops, columns, pattern = plan.by, plan.ops, plan.columns, plan.pattern

if #by == 0 and #ops == 1 and ops[1].at == 'rows' then
  local count = call('ZLEXCOUNT', KEYS[3], '[' .. ARGV[3], '(' .. ARGV[4])
  return { seq, '', { {}, { tostring(count) } } }
end

local keys = call('ZRANGEBYLEX', KEYS[3], '[' .. ARGV[3], '(' .. ARGV[4], 'LIMIT', 0, max)
if #keys == 0 then return { seq, '' } end
-- What asks only for keys looks at no row. Large rows end the page: they are copied, and taken apart.
local BYTES = 128 * 1024
local rows, taken, bytes, step = {}, 0, 0, 1
if #columns == 0 then taken = #keys end
while taken < #keys and bytes < BYTES do
  local upto = math.min(taken + step, #keys)
  for i, row in ipairs(call('HMGET', KEYS[4], unpack(keys, taken + 1, upto))) do
    rows[taken + i] = row
    bytes = bytes + (row and #row or 0)
  end
  taken = upto
  step = math.max(1, math.min(step * 4, math.floor((BYTES - bytes) / (bytes / taken + 1))))
end
local isStrange = false

-- The raw bytes of a key's column
local function partOf(key, column)
  local at = 1
  for i = 1, column do
    local size = plan.keys[i]
    local stop = size > 0 and at + size - 1 or find(key, '\0', at, true)
    if i == column then return sub(key, at, stop) end
    at = stop + 1
  end
end

-- A value of JSON as text, and a letter that says its kind; 'n': there is none
local function textOf(value)
  if value == nil or value == cjson.null then return nil, 'n' end
  if type(value) == 'string' then return value, 's' end
  if type(value) == 'number' then return string.format('%.17g', value), 'd' end
  if type(value) == 'boolean' then return value and '1' or '0', 'b' end
  if value['$unset'] then return nil, 'n' end
  isStrange = true
  return nil, 'n'
end

-- The values of a row by column as text, where the pattern does not fit; the letters of those by which rows are grouped
local function decoded(row, values, letters)
  local space = row and find(row, ' ', 1, true)
  local isJson, list = true, {}
  if space then isJson, list = pcall(cjson.decode, sub(row, space + 1)) end
  if not isJson or (space and sub(row, space + 1, space + 1) ~= '[') then
    isStrange, list = true, {}
  end
  for i, column in ipairs(columns) do
    local value = list[column]
    if plan.counted[i] then -- it matters only whether there is one
      local isNothing = value == nil or value == cjson.null or (type(value) == 'table' and value['$unset'])
      values[i], letters[i] = not isNothing and '1' or nil, 's'
    else values[i], letters[i] = textOf(value) end
  end
end

local LETTERS = { text = 's', i64 = 's', i32 = 'd', bool = 'b' }
local WORDS = { ['true'] = '1', ['false'] = '0' }

-- The name of the group that a row belongs to: that of its only part where there is one
local parts = {}
local function nameOf(key, values, letters)
  local name = ''
  for b = 1, #by do
    local one, part = by[b], nil
    if one.at == 'key' then part = partOf(key, one.column)
    else
      local value, letter = values[one.place], letters and letters[one.place]
      if letter == nil then
        letter = LETTERS[one.type]
        if letter == 'b' then value = WORDS[value] end
      end
      part = letter == 'n' and 'n' or letter .. value
    end
    parts[b] = part
    name = #by == 1 and part or name .. #part .. ':' .. part
  end
  return name
end

local function isLessWhole(a, b)
  if #a < 15 and #b < 15 then return tonumber(a) < tonumber(b) end
  local x, y = sub(a, 1, 1) == '-', sub(b, 1, 1) == '-'
  if x ~= y then return x end
  if x then return isLess(sub(b, 2), sub(a, 2)) end
  return isLess(a, b)
end

local isLessOf = {
  whole = isLessWhole,
  number = function(a, b) return tonumber(a) < tonumber(b) end,
  text = isLessBytes,
}

-- A sum of whole numbers is kept as a number while that is exact, which it is for 8000 rows of twelve digits.
local function sumOf(kind, a, b)
  if kind ~= 'whole' then return (a or 0) + tonumber(b) end
  if #b < 13 and (a == nil or type(a) == 'number') then return (a or 0) + tonumber(b) end
  return add(type(a) == 'number' and string.format('%.0f', a) or a or '0', b)
end

local counters = {}
for _, op in ipairs(ops) do
  if op.at == 'counter' and op.word ~= 'count' and not counters[op.column] then
    local fields = {}
    for i = 1, taken do fields[i] = (op.column - 1) .. ' ' .. keys[i] end
    counters[op.column] = call('HMGET', KEYS[5], unpack(fields))
  end
end

local groups, order = {}, {}
local results, group, last
local values = {} -- of the row, one table for all: garbage is half of what a row costs
for i = 1, taken do
  local key, row = keys[i], rows[i]
  local letters
  if #columns > 0 then
    if not pattern or not row then values[1] = nil
    elseif #columns <= 4 then values[1], values[2], values[3], values[4] = match(row, pattern)
    else values = { match(row, pattern) } end
    if values[1] == nil then
      letters = {}
      decoded(row, values, letters)
    end
  end
  local name = #by > 0 and nameOf(key, values, letters) or ''
  if name ~= last then
    last = name
    group = groups[name]
    if not group then
      local own = {}
      for b = 1, #by do own[b] = parts[b] end
      group = { parts = own, results = {} }
      groups[name] = group
      order[#order + 1] = group
    end
    results = group.results
  end
  for o = 1, #ops do
    local op = ops[o]
    local word, value = op.word, nil
    if op.at == 'value' then value = values[op.place]
    elseif op.at == 'counter' and word ~= 'count' then value = counters[op.column][i] or '0'
    else value = '1' end
    -- The pattern finds only numbers where there must be some.
    if value and op.kind ~= 'text' and word ~= 'count' and (letters or op.at == 'counter') and not tonumber(value) then
      isStrange, value = true, nil
    end
    if value then
      local known = results[o]
      if word == 'count' then results[o] = (known or 0) + 1
      elseif word == 'sum' then results[o] = sumOf(op.kind, known, value)
      elseif not known or isLessOf[op.kind](value, known) == (word == 'min') then results[o] = value end
    end
  end
end
if isStrange then return { 'unsupported' } end

local found = { seq, (taken < #keys or #keys == max) and keys[taken] or '' }
for _, one in ipairs(order) do
  local list = {}
  for o, op in ipairs(ops) do
    local result = one.results[o]
    if type(result) == 'number' then result = string.format((op.kind == 'number' and op.word ~= 'count') and '%.17g' or '%.0f', result) end
    list[o] = result or false
  end
  found[#found + 1] = { one.parts, list }
end
return found
