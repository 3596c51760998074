-- Put in front of every script: the guard against a store that went back in time.
--
-- KEYS[1]  the domain's sequence: counts the groups that changed it
-- ARGV[1]  the highest sequence that this client has been told of

local seq = tonumber(redis.call('GET', KEYS[1]) or '0')
if seq < tonumber(ARGV[1]) then return { 'lost', seq } end
