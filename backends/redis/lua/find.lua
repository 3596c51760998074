-- What objects and aliases are, without their cells. object.lua stands in front.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  objects and aliases
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    for each of KEYS[2..] 'o' or 'a'
-- Returns the sequence, then for each: of an object 'revision commit class', of an alias 'id class', or nothing; and its intent, if any. Fewer where objects are
-- large, but at least one.

local BYTES = 512 * 1024 -- objects are looked at whole: large ones end the page
local results, bytes = { seq }, 0
for i = 2, #KEYS do
  if bytes > BYTES then break end
  if string.sub(ARGV[2], i - 1, i - 1) == 'a' then results[i] = redis.call('HMGET', KEYS[i], '@', '!')
  else
    local value = redis.call('GET', KEYS[i])
    local object = open(value)
    bytes = bytes + (value and #value or 0)
    results[i] = { object.head or false, object.intent or false }
  end
end
return results
