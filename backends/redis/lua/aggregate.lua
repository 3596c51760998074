-- Counts, sums, least and greatest values over a page of rows, by group. text.lua stands in front.
--
-- KEYS[1]     sequence of the domain
-- KEYS[2..5]  definition, index, rows, counters of the table
-- ARGV[1]     highest sequence known to the client
-- ARGV[2]     tag of the definition
-- ARGV[3]     first key (included)
-- ARGV[4]     key behind the last (not included)
-- ARGV[5]     how many rows at most
-- ARGV[6]     what to do, as JSON: { keys, by, ops }
--               keys  of each key column its bytes, 0 for text
--               by    { at: 'key' or 'value', column }, columns counted from 1
--               ops   { word, at: 'rows', 'value' or 'counter', column, kind: 'whole', 'number' or 'text' }
-- Returns the sequence, the last key looked at or '' at the end, then for each group its values and its results; or 'table', or
-- 'unsupported' when a row holds what only the client can handle.

if redis.call('HGET', KEYS[2], 'tag') ~= ARGV[2] then return { 'table' } end
local plan, max = cjson.decode(ARGV[6]), tonumber(ARGV[5])
local call, sub = redis.call, string.sub

if #plan.by == 0 and #plan.ops == 1 and plan.ops[1].at == 'rows' then
  local count = call('ZLEXCOUNT', KEYS[3], '[' .. ARGV[3], '(' .. ARGV[4])
  return { seq, '', { {}, { tostring(count) } } }
end

local keys = call('ZRANGEBYLEX', KEYS[3], '[' .. ARGV[3], '(' .. ARGV[4], 'LIMIT', 0, max)
if #keys == 0 then return { seq, '' } end
local rows = call('HMGET', KEYS[4], unpack(keys))

local isStrange = false

-- The raw bytes of a key's column
local function partOf(key, column)
  local at = 1
  for i = 1, column do
    local size = plan.keys[i]
    local stop = size > 0 and at + size - 1 or string.find(key, '\0', at, true)
    if i == column then return sub(key, at, stop) end
    at = stop + 1
  end
end

-- A value of JSON as text behind a letter that says its kind; 'n': there is none
local function textOf(value)
  if value == nil or value == cjson.null then return 'n' end
  if type(value) == 'string' then return 's' .. value end
  if type(value) == 'number' then return 'd' .. string.format('%.17g', value) end
  if type(value) == 'boolean' then return value and 'b1' or 'b0' end
  if value['$unset'] then return 'n' end
  isStrange = true
  return 'n'
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

-- A sum of whole numbers is kept as a number while that is exact: each page has far fewer than a thousand rows.
local function sumOf(kind, a, b)
  if kind ~= 'whole' then return tonumber(a) + tonumber(b) end
  if type(a) == 'number' then
    if #b < 13 then return a + tonumber(b) end
    a = string.format('%.0f', a)
  end
  return add(a, b)
end

local function take(op, known, value)
  if op.word == 'count' then return (known or 0) + 1 end
  if not known then
    if op.word == 'sum' and (op.kind ~= 'whole' or #value < 13) then return tonumber(value) end
    return value
  end
  if op.word == 'sum' then return sumOf(op.kind, known, value) end
  local less = isLessOf[op.kind](value, known)
  return less == (op.word == 'min') and value or known
end

local function valueOf(op, key, values)
  if op.at == 'rows' then return '1' end
  if op.at == 'counter' and op.word == 'count' then return '1' end
  if op.at == 'counter' then return call('HGET', KEYS[5], (op.column - 1) .. ' ' .. key) or '0' end
  local value = values[op.column]
  if op.word == 'count' then
    local isNothing = value == nil or value == cjson.null or (type(value) == 'table' and value['$unset'])
    return not isNothing and '1' or nil
  end
  if type(value) == 'string' then return value end
  local text = textOf(value)
  if text == 'n' then return nil end
  return sub(text, 2)
end

-- All rows in one go: a call of cjson costs more than a short row
local texts = {}
for i = 1, #keys do
  local row = rows[i]
  local space = row and string.find(row, ' ', 1, true)
  texts[i] = space and sub(row, space + 1) or '[]'
end
local lists = cjson.decode('[' .. table.concat(texts, ',') .. ']')

local groups, order = {}, {}
for i, key in ipairs(keys) do
  local values, parts, name = lists[i], {}, ''
  for b, by in ipairs(plan.by) do
    local part = by.at == 'key' and partOf(key, by.column) or textOf(values[by.column])
    parts[b] = part
    name = name .. #part .. ':' .. part
  end
  local group = groups[name]
  if not group then
    group = { parts = parts, results = {} }
    groups[name] = group
    order[#order + 1] = group
  end
  for o, op in ipairs(plan.ops) do
    local value = valueOf(op, key, values)
    if value then group.results[o] = take(op, group.results[o], value) end
  end
end
if isStrange then return { 'unsupported' } end

local results = { seq, #keys == max and keys[#keys] or '' }
for _, group in ipairs(order) do
  local found = {}
  for o, op in ipairs(plan.ops) do
    local result = group.results[o]
    if type(result) == 'number' then result = string.format((op.kind == 'number' and op.word ~= 'count') and '%.17g' or '%.0f', result) end
    found[o] = result or false
  end
  results[#results + 1] = { group.parts, found }
end
return results
