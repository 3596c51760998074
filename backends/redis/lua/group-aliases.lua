-- Put in front of commit.lua: aliases, each a hash of '@' (id, class), '!' and '!r' (an intent and what it applies).

-- What stands in the way of a change of an alias, if anything does
local function aliasRefusal(key, expect, holder)
  if isDecided then return end
  local found = call('HMGET', key, '@', '!')
  local meta, intent = found[1], found[2]
  if intent and sub(intent, 1, 36) ~= holder then return { 'held', meta, intent } end
  local isAsExpected
  if expect == 'absent' then isAsExpected = not meta
  elseif expect == 'present' then isAsExpected = meta
  else isAsExpected = meta and sub(meta, 1, 36) == expect end
  if not isAsExpected then return { 'stale', meta, false } end
end

-- key, expect, 'id class' or ''
function ops.name()
  local key, expect, to = takeKey(), take(), take()
  local refused = aliasRefusal(key, expect, commit)
  if refused then return refused end
  later(function()
    if to == '' then call('UNLINK', key) else call('HSET', key, '@', to) end
    call('HDEL', key, '!', '!r')
  end)
end

-- key of the hints of an object, alias
function ops.hint()
  local key, alias = takeKey(), take()
  later(function() call('SADD', key, alias) end)
end

-- alias, expect, intent (36 characters of its commit first), what it applies
function ops.reserveName()
  local key, expect, intent, redo = takeKey(), take(), take(), take()
  local holder = sub(intent, 1, 36)
  local standing = call('HGET', key, '!')
  if standing and sub(standing, 1, 36) == holder then return end
  local refused = aliasRefusal(key, expect, holder)
  if refused then return refused end
  later(function() call('HSET', key, '!', intent, '!r', redo) end)
end

-- alias, commit of the intent, '1' to take it
function ops.settleName()
  local key, holder, isTaken = takeKey(), take(), take() == '1'
  local found = call('HMGET', key, '!', '!r')
  if not found[1] or sub(found[1], 1, 36) ~= holder then return end
  later(function()
    call('HDEL', key, '!', '!r')
    if not isTaken then return end
    for _, redo in ipairs(netstrings(found[2])) do
      local to = netstrings(redo)[2]
      if to == '' then call('UNLINK', key) else call('HSET', key, '@', to) end
    end
  end)
end
