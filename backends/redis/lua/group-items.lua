-- Put in front of commit.lua: what it was told, item by item.

local KEYS, ARGV, call, unpack, tonumber, ipairs, min = KEYS, ARGV, redis.call, unpack, tonumber, ipairs, math.min
local match, sub, find, format = string.match, string.sub, string.find, string.format
local items = cmsgpack.unpack(ARGV[5])
for i, place in ipairs(cmsgpack.unpack(ARGV[7])) do items[place] = ARGV[7 + i] end

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

local MANY = 4000 -- below what unpack can put on Lua's stack, and even

-- What a command says of each of many keys
local function each(command, list)
  local answers, n = {}, 0
  for i = 1, #list, MANY do
    for _, answer in ipairs(call(command, unpack(list, i, min(#list, i + MANY - 1)))) do
      n = n + 1
      answers[n] = answer
    end
  end
  return answers
end

-- Of the group at hand: its id and clock, and what it is to write once all is looked at
local commit, micros, writes
local function later(write) writes[#writes + 1] = write end

local ops = {}
