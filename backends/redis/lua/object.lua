-- Put in front of scripts that look into objects. The value under an object's key:
--
--   '.' revision ' ' commit ' ' class '\n', then a list in MessagePack: name, cell, name, cell
--
-- A cell of more than LARGE bytes lies under a key of its own, and '\2' NAME ' ' bytes stands in its place. While a round over several
-- domains holds the object, '!' and two netstrings stand in front: the intent (36 characters of its commit first) and what it applies.
-- Behind them is nothing when there is no object.

local LARGE = 4096

-- From where to where the netstring at a place is; nothing if there is none
local function netstringAt(text, at)
  local colon = string.find(text, ':', at, true)
  local length = colon and tonumber(string.sub(text, at, colon - 1))
  if length then return colon + 1, colon + length end
end

-- { intent, redo, head, packed }: head is 'revision commit class', packed the list; without them there is no object
local function open(value)
  local object = {}
  if not value then return object end
  local from = 1
  if string.byte(value) == 33 then
    local first, last = netstringAt(value, 2)
    local redo, stop = netstringAt(value, (last or #value) + 1)
    if redo then
      object.intent, object.redo, from = string.sub(value, first, last), string.sub(value, redo, stop), stop + 1
    end
  end
  if from <= #value then
    local newline = string.find(value, '\n', from, true) or #value + 1 -- a damaged one has none: who takes it apart says so
    object.head = string.sub(value, from + 1, newline - 1)
    object.packed = string.sub(value, newline + 1)
  end
  return object
end

local function isLarge(cell) return string.byte(cell) == 2 and string.find(cell, '^\2%S+ %d+$') ~= nil end

-- The key of a large cell, which shares the hash tag of its object
local function largeKey(key, cell) return string.sub(key, 1, -39) .. 'c' .. string.sub(key, -37) .. '.' .. string.match(cell, '^\2(%S+)') end

-- The cells that may hold large ones: most objects have none, and are not taken apart for it
local function cellsWithLarge(object)
  if not object.packed or not string.find(object.packed, '\2', 1, true) then return {} end
  local isRight, cells = pcall(cmsgpack.unpack, object.packed)
  return isRight and type(cells) == 'table' and cells or {}
end
