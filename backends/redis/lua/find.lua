-- What objects and aliases are, without their cells. object.lua stands in front.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  objects and aliases
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    for each of KEYS[2..] 'o' or 'a'
-- Returns the sequence, then for each: of an object 'revision commit class', of an alias 'id class', or nothing; and its intent, if any.

local results = { seq }
for i = 2, #KEYS do
  if string.sub(ARGV[2], i - 1, i - 1) == 'a' then results[i] = redis.call('HMGET', KEYS[i], '@', '!')
  else
    local object = open(redis.call('GET', KEYS[i]))
    results[i] = { object.head or false, object.intent or false }
  end
end
return results
