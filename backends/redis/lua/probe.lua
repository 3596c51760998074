-- Tries every command that the scripts use, on a key of no matter. What is forbidden in the middle of a group would leave half of it.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  a key that nobody uses
-- ARGV[1]  highest sequence known to the client
-- Returns the sequence and the commands that the user may not run.

local key, forbidden = KEYS[2], {}
local commands = {
  'HSET k a 1 b 2', 'HSETNX k c 3', 'HGET k a', 'HMGET k a b', 'HEXISTS k a', 'HLEN k', 'HDEL k a', 'EXISTS k', 'PEXPIRE k 1000',
  'MEMORY USAGE k', 'UNLINK k', 'SADD k a', 'UNLINK k', 'ZADD k 0 a', 'ZSCORE k a', 'ZCARD k', 'ZLEXCOUNT k - +', 'ZRANGE k 0 0',
  'ZRANGEBYLEX k - +', 'ZREVRANGEBYLEX k + -', 'ZREM k a', 'GET k', 'UNLINK k',
  'TIME', 'SET k a', 'PERSIST k', 'MSET k a', 'MSETNX k a', 'MGET k', 'UNLINK k', 'XGROUP CREATE k g 0 MKSTREAM', 'XADD k * i 1', 'XREADGROUP GROUP g c COUNT 1 STREAMS k >',
  'XCLAIM k g c 0 0-1 IDLE 1 JUSTID', 'XPENDING k g', 'XACK k g 0-1', 'UNLINK k',
}
local isKnown = {}
for _, text in ipairs(commands) do
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word == 'k' and key or word end
  local reply = redis.pcall(unpack(words))
  local why = type(reply) == 'table' and reply.err or ''
  -- Other errors come from the ones before. Unknown: it was renamed.
  local isForbidden = string.find(why, "can't run this command") or string.find(why, 'permission') or string.find(why, 'Unknown Redis command')
  if isForbidden and not isKnown[words[1]] then
    isKnown[words[1]] = true
    forbidden[#forbidden + 1] = words[1]
  end
end
return { seq, unpack(forbidden) }
