-- Put in front of commit.lua: decimals and lists as text. A number in Lua is a double, which holds neither every clock in microseconds
-- nor every counter.

local function isLess(a, b) -- of two decimals without sign
  if #a ~= #b then return #a < #b end
  return a < b
end

local function isLessBytes(a, b) -- '<' would follow the server's locale
  local n, from = math.min(#a, #b), 1
  -- What long texts begin with alike is passed over by the stretch: byte by byte a megabyte takes a second.
  while from + 255 <= n and string.sub(a, from, from + 255) == string.sub(b, from, from + 255) do from = from + 256 end
  for i = from, n do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function plus(a, b) -- of two decimals without sign
  local sum, carry = {}, 0
  for i = 0, math.max(#a, #b) - 1 do
    local x = #a - i > 0 and string.byte(a, #a - i) - 48 or 0
    local y = #b - i > 0 and string.byte(b, #b - i) - 48 or 0
    local digit = x + y + carry
    carry = digit > 9 and 1 or 0
    table.insert(sum, 1, string.char(48 + digit % 10))
  end
  if carry == 1 then table.insert(sum, 1, '1') end
  return table.concat(sum)
end

local function minus(a, b) -- of two decimals without sign, a not less than b
  local rest, borrow = {}, 0
  for i = 0, #a - 1 do
    local digit = string.byte(a, #a - i) - 48 - borrow - (#b - i > 0 and string.byte(b, #b - i) - 48 or 0)
    borrow = digit < 0 and 1 or 0
    table.insert(rest, 1, string.char(48 + digit % 10))
  end
  local text = string.gsub(table.concat(rest), '^0+', '')
  return text == '' and '0' or text
end

local function add(a, b) -- of two decimals
  if #a < 15 and #b < 15 then return string.format('%.0f', tonumber(a) + tonumber(b)) end
  local isMinusA, isMinusB = string.sub(a, 1, 1) == '-', string.sub(b, 1, 1) == '-'
  local x, y = string.gsub(a, '^-', ''), string.gsub(b, '^-', '')
  if isMinusA == isMinusB then return (isMinusA and '-' or '') .. plus(x, y) end
  if x == y then return '0' end
  if isLess(x, y) then return (isMinusB and '-' or '') .. minus(y, x) end
  return (isMinusA and '-' or '') .. minus(x, y)
end

local function netstrings(text) -- the parts of '3:abc0:'
  local parts, at = {}, 1
  while at <= #text do
    local colon = string.find(text, ':', at, true)
    local length = tonumber(string.sub(text, at, colon - 1))
    parts[#parts + 1] = string.sub(text, colon + 1, colon + length)
    at = colon + length + 1
  end
  return parts
end
