-- Put in front of every script: the guard against a store that went back in time, and what stands at the domain's gate.
--
-- KEYS[1]  the domain's sequence: counts the groups that changed it. While a large group goes through, ' ?' or ' !' and more follow: the
--          gate, which flip.lua explains
-- ARGV[1]  the highest sequence that this client has been told of

local state = redis.call('GET', KEYS[1]) or '0'
local seq, gate = tonumber(state), nil
if not seq then
  seq, gate = tonumber(string.match(state, '^%d+')), string.match(state, ' (.*)')
end
if seq < tonumber(ARGV[1]) then return { 'lost', seq } end

-- What a change counts up to. A domain begins at a number that is the smaller the later that is: so one that has lost everything stays behind
-- what it was also when others have written to it since.
local nextSeq = seq + 1
if seq == 0 then
  local now = redis.call('TIME')
  nextSeq = 9000000000000000 - (now[1] * 1000000 + now[2])
end

-- What of a large group is at work, if that: set by staged.lua
local isStaged, isDecided = false, false
