-- The common case of commit.lua: groups that do nothing but make new objects and change small cells of others. A page of Lua without a
-- function in it starts in a tenth of the time, which is what a program feels that saves one object. Arguments are those of commit.lua, and
-- what it says of a group as well; or 'again': somebody was faster, or nearly, and commit.lua shall look at it.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2..]  receipts
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    how long receipts are kept, in milliseconds
-- ARGV[4]    how many groups
-- ARGV[5]    the groups; none has marks or tables, a run of new objects at most, and no cell to drop
-- ARGV[6]    keys of the objects that are changed, each by one op of a group at most

local KEYS, call, unpack, sub, find, byte = KEYS, redis.call, unpack, string.sub, string.find, string.byte
local items, keys, groups = cmsgpack.unpack(ARGV[5]), cmsgpack.unpack(ARGV[6]), tonumber(ARGV[4])
local values = #keys > 0 and call('MGET', unpack(keys)) or keys
local results, touched, written, isAnyApplied = { seq }, {}, {}, false
local at = 0

for g = 1, groups do
  local commit, receipts, last = items[at + 1], KEYS[items[at + 3]], at + 4 + items[at + 4]
  local first = at + 8 -- behind the numbers of marks, tables and ops
  local standing = call('HGET', receipts, commit)
  if standing then results[g + 1] = standing == 'refused' and { standing } or standing
  else
    local i, isFine, freshFirst, freshLast = first, true, nil, nil
    while isFine and i <= last do
      if items[i] == 'new' then
        freshFirst, freshLast = i + 2, i + 1 + items[i + 1]
        i = freshLast + 1
      else
        local value, expect = values[items[i + 1]], items[i + 2]
        isFine = value and sub(value, 1, #expect) == expect
        i = i + 5 + items[i + 4]
      end
    end
    if isFine and freshFirst then isFine = call('MSETNX', unpack(items, freshFirst, freshLast)) == 1 end
    if not isFine then results[g + 1] = { 'again' }
    else
      i = first
      while i <= last do
        if items[i] == 'new' then i = i + 2 + items[i + 1]
        else
          local n, expect, head, stop = items[i + 1], items[i + 2], items[i + 3], i + 4 + items[i + 4]
          local value = values[n]
          local list = cmsgpack.unpack(sub(value, find(value, '\n', #expect, true) + 1))
          for c = i + 5, stop, 2 do
            local name, place = items[c], 1
            while list[place] and list[place] ~= name do place = place + 2 end
            local old = list[place + 1]
            if old and byte(old) == 2 then -- a large cell, under a key of its own: see object.lua
              call('UNLINK', sub(keys[n], 1, -39) .. 'c' .. sub(keys[n], -37) .. '.' .. string.match(old, '^\2(%S+)'))
            end
            list[place], list[place + 1] = name, items[c + 1]
          end
          values[n] = head .. cmsgpack.pack(list)
          written[n] = true
          i = stop + 1
        end
      end
      call('HSET', receipts, commit, '')
      touched[receipts], results[g + 1], isAnyApplied = true, '', true
    end
  end
  at = last
end

local set = {}
for n in pairs(written) do set[#set + 1], set[#set + 2] = keys[n], values[n] end
if #set > 0 then call('MSET', unpack(set)) end
for receipts in pairs(touched) do call('PEXPIRE', receipts, ARGV[2]) end
if isAnyApplied then
  call('SET', KEYS[1], nextSeq)
  results[1] = nextSeq
end
return results
