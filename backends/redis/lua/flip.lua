-- A step of a group that is too large for one script. It has been staged beforehand, in pieces; each step looks at one of them, then, once
-- all are found to be as expected, each step applies one. Meanwhile the gate is closed: to writers from the first step on, so that
-- what was looked at stays so, and to readers while a part of the group is there and the rest is not. Who meets a decided group takes
-- the next step himself, so that it does not matter who dies; an undecided one ends when its time is over.
-- In front stand what commit.lua has there, and staged.lua.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  the staged group
-- KEYS[3]  receipts
-- ARGV[1]  highest sequence known to the client
-- ARGV[2]  commit of the group
-- ARGV[3]  'begin' (if nobody has begun), 'step', 'free' (if it is undecided and its time is over)
-- ARGV[4]  how long receipts, and what is staged, are kept, in milliseconds
-- ARGV[5]  how long a step may take to come, in milliseconds
-- ARGV[6]  '1' if a copy of an earlier call may be under way: then a refusal is kept as well
-- Returns the sequence and: 'more'; what commit.lua says of a group and, if that is a refusal, the piece; 'gone': nothing is staged; 'over':
-- it does not hold the gate.

commit, micros, writes = take(), take(), {}
at = at + 2
larges = piece * 1000000 -- cells of two pieces have different names
local refused = plan()

local function close(mark, next)
  local state = { string.format('%.0f', seq), ' ', mark, group, ' ', next, ' ', pieces, ' ', string.format('%.0f', nowMs() + leaseMs) }
  call('SET', GATE, table.concat(state))
  return { seq, 'more' }
end

local function keep(receipt)
  call('HSET', receiptsKey, group, receipt)
  call('PEXPIRE', receiptsKey, keptMs)
end

if not isDecided then
  if refused then
    call('UNLINK', staged)
    local isKept = isAgain and refused[1] ~= 'mark' and refused[1] ~= 'again'
    if isKept then
      keep('refused')
      seq = nextSeq -- as in commit.lua
    end
    if gate or isKept then reopen(seq) end
    return { seq, refused, piece }
  end
  if piece + 1 < pieces then return close('?', piece + 1) end
  -- From now on it must end, however long that takes.
  for _, key in ipairs(cmsgpack.unpack(call('HGET', staged, 'cells'))) do
    call('PERSIST', key)
    if call('EXISTS', key) == 0 then return { seq, 'gone' } end
  end
  call('PERSIST', staged)
  return close('!', 0)
end

for i = 1, #writes do writes[i]() end
writeObjects()
if piece + 1 < pieces then return close('!', piece + 1) end
keep('')
call('UNLINK', staged)
reopen(nextSeq)
return { nextSeq, '' }
