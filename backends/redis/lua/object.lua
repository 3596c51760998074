-- Put in front of scripts that look into objects. The value under an object's key:
--
--   '.' revision ' ' commit ' ' class '\n', then a list in MessagePack: name, cell, name, cell
--
-- A cell of more than LARGE bytes lies under a key of its own, and '\2' NAME ' ' bytes stands in its place. While a round over several
-- domains holds the object, '!' and two netstrings stand in front: the intent (36 characters of its commit first) and what it applies.
-- Behind them is nothing when there is no object.

local LARGE = 4096

-- { intent, redo, head, packed }: head is 'revision commit class', packed the list; without them there is no object
local function open(value)
  local object = {}
  if not value then return object end
  local from = 1
  if string.byte(value) == 33 then
    local colon = string.find(value, ':', 2, true)
    local last = colon + tonumber(string.sub(value, 2, colon - 1))
    object.intent = string.sub(value, colon + 1, last)
    colon = string.find(value, ':', last + 1, true)
    from = colon + tonumber(string.sub(value, last + 1, colon - 1)) + 1
    object.redo = string.sub(value, colon + 1, from - 1)
  end
  if from <= #value then
    local newline = string.find(value, '\n', from, true) or #value + 1 -- a damaged one has none: who takes it apart says so
    object.head = string.sub(value, from + 1, newline - 1)
    object.packed = string.sub(value, newline + 1)
  end
  return object
end

local function isLarge(cell) return string.byte(cell) == 2 end

-- The key of a large cell, which shares the hash tag of its object
local function largeKey(key, cell) return string.sub(key, 1, -39) .. 'c' .. string.sub(key, -37) .. '.' .. string.match(cell, '^\2(%S+)') end

-- The cells that may hold large ones: most objects have none, and are not taken apart for it
local function cellsWithLarge(object)
  if not object.packed or not string.find(object.packed, '\2', 1, true) then return {} end
  return cmsgpack.unpack(object.packed)
end
