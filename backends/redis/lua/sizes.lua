-- The bytes that objects take, 0 for those that do not exist. object.lua stands in front.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  objects
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    '1' to tell of further copies
-- Returns the sequence, then for each a list of its bytes and the hosts with a copy. Fewer where objects
-- are large, but at least one.

local BYTES = 512 * 1024 -- objects are looked at whole: large ones end the page
local results, looked = { seq }, 0
for i = 2, #KEYS do
  if looked > BYTES then break end
  local object = open(redis.call('GET', KEYS[i]))
  looked = looked + (object.packed and #object.packed or 0)
  local bytes = object.head and #object.head + #object.packed or 0
  for _, cell in ipairs(cellsWithLarge(object)) do
    if isLarge(cell) then bytes = bytes + tonumber(string.match(cell, '%d+$')) end
  end
  local found = ARGV[2] == '1' and redis.call('SMEMBERS', string.sub(KEYS[i], 1, -39) .. 'r' .. string.sub(KEYS[i], -37)) or {}
  table.insert(found, 1, bytes)
  results[i] = found
end
return results
