-- Put in front of commit.lua: marks, redo, and what stands in the way of a group.

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
    wide[key] = found[2] and tonumber(found[2])
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
