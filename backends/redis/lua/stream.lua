-- Appends to a stream, hands out its items, and takes them back: a Redis stream with its consumer groups.
-- object.lua stands in front.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  the object that the stream belongs to
-- KEYS[3]  the stream; field i of an entry is the item
-- KEYS[4]  hash: 'end' once it has ended, and under 'p:' and its name the number after the last that a producer has appended
-- ARGV[1]  highest sequence known to the client
-- ARGV[2]  what to do
--   'append'   ARGV[3] producer, [4] number of the first item, [5..] items
--   'read'     ARGV[3] group, [4] consumer, [5] how many at most (fewer where they are large), [6] their lease in milliseconds
--   'ack'      ARGV[3] group, [4..] ids
--   'release'  ARGV[3] group, [4..] ids
--   'end'
-- Returns the sequence, and for 'read' each id followed by its item; or 'gone' (there is no such object), 'ended', 'over'.
--
-- How long an entry may still be kept stands in its idle time: one that was handed out is as old as LAPSED less its lease, so that all
-- groups look for the same age, whatever lease each consumer asked for.

local LAPSED = 100000000000
local call, what = redis.call, ARGV[2]
if not open(call('GET', KEYS[2])).head then return { 'gone' } end

if what == 'append' then
  local field, from = 'p:' .. ARGV[3], tonumber(ARGV[4])
  local had, count = tonumber(call('HGET', KEYS[4], field) or '0'), #ARGV - 4
  if had >= from + count then return { seq } end
  if call('HEXISTS', KEYS[4], 'end') == 1 then return { 'ended' } end
  for i = math.max(0, had - from) + 1, count do call('XADD', KEYS[3], '*', 'i', ARGV[4 + i]) end
  call('HSET', KEYS[4], field, from + count)
  call('SET', KEYS[1], nextSeq)
  return { nextSeq }
end

if what == 'end' then
  call('HSET', KEYS[4], 'end', '1')
  call('SET', KEYS[1], nextSeq)
  return { nextSeq }
end

local group = ARGV[3]

local MANY = 1000 -- of ids: below what unpack can put on Lua's stack

local function ids()
  local list = {}
  for i = 4, #ARGV do list[#list + 1] = ARGV[i] end
  return list
end

-- XCLAIM of ids, some at a time; what it says of all of them
local function claim(consumer, leastIdle, list, ...)
  local said = {}
  for first = 1, #list, MANY do
    local words = { 'XCLAIM', KEYS[3], group, consumer, leastIdle }
    for i = first, math.min(#list, first + MANY - 1) do words[#words + 1] = list[i] end
    for _, word in ipairs({ ... }) do words[#words + 1] = word end
    local reply = redis.pcall(unpack(words))
    if not reply.err then for _, one in ipairs(reply) do said[#said + 1] = one end end
  end
  return said
end

if what == 'ack' then
  if call('EXISTS', KEYS[3]) == 1 then call('XACK', KEYS[3], group, unpack(ids())) end
  return { seq }
end

-- Only entries that are pending already
local function setIdle(list, consumer, idle) claim(consumer, 0, list, 'IDLE', idle, 'JUSTID') end

if what == 'release' then
  setIdle(ids(), 'released', LAPSED)
  return { seq }
end

local consumer, max, lease = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
-- What is handed out at once, or little more: each item is copied several times.
local BYTES = 512 * 1024
local made = redis.pcall('XGROUP', 'CREATE', KEYS[3], group, '0', 'MKSTREAM')
local results, taken, bytes = { seq }, {}, 0

local function take(entries)
  for _, entry in ipairs(entries) do
    if entry and entry[2] then
      taken[#taken + 1] = entry[1]
      results[#results + 1] = entry[1]
      results[#results + 1] = entry[2][2]
      bytes = bytes + #entry[2][2]
    end
  end
end

-- Not by XAUTOCLAIM, which looks at the oldest ten for each that is wanted: those may be kept by one who is alive for as long as he likes.
local pending, lapsed = redis.pcall('XPENDING', KEYS[3], group, 'IDLE', LAPSED, '-', '+', max), {}
if pending.err then return made.err and made or pending end -- there is no group: the memory is full
for i, one in ipairs(pending) do lapsed[i] = one[1] end
local first, step = 1, 1 -- the next ones may be larger than those before
while first <= #lapsed and bytes < BYTES do
  take(claim(consumer, LAPSED, { unpack(lapsed, first, math.min(#lapsed, first + step - 1)) }))
  first, step = first + step, math.min(step * 4, MANY)
end
step = 1
while #taken < max and bytes < BYTES do
  local count = math.min(step, max - #taken)
  local fresh = call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', KEYS[3], '>')
  local entries = fresh and fresh[1] and fresh[1][2] or {}
  take(entries)
  if #entries < count then break end
  step = step * 4
end
if #taken > 0 then
  setIdle(taken, consumer, LAPSED - lease)
  return results
end
if call('HEXISTS', KEYS[4], 'end') == 1 and call('XPENDING', KEYS[3], group)[1] == 0 then return { 'over' } end
return results
