-- Keeps a part of a large group until flip.lua takes it.
--
-- KEYS[1]    sequence of the domain
-- KEYS[2]    the staged group: a hash of its parts, which staged.lua explains
-- ARGV[1]    highest sequence known to the client
-- ARGV[2]    commit of the group
-- ARGV[3]    how long it is kept if nobody takes it, in milliseconds
-- ARGV[4..]  field, value, field, value
-- Returns the sequence.

-- Once it is decided it does not expire, though a late copy of this call may still arrive.
if gate and string.sub(gate, 1, 37) == '!' .. ARGV[2] then return { seq } end
redis.call('HSET', KEYS[2], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return { seq }
