-- The bytes that objects take, 0 for those that do not exist. object.lua stands in front.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  objects
-- ARGV[1]    highest sequence known to the client
-- Returns the sequence, then the bytes of each.

local results = { seq }
for i = 2, #KEYS do
  local object = open(redis.call('GET', KEYS[i]))
  local bytes = object.head and #object.head + #object.packed or 0
  for _, cell in ipairs(cellsWithLarge(object)) do
    if isLarge(cell) then bytes = bytes + tonumber(string.match(cell, '%d+$')) end
  end
  results[i] = bytes
end
return results
