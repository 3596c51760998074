-- Ends a group whose answer was lost: tells its receipt, or leaves one by which every copy of it that comes later is refused.
--
-- KEYS[1]  sequence of the domain
-- KEYS[2]  receipts
-- KEYS[3]  what is staged of the group, if it is a large one
-- ARGV[1]  highest sequence known to the client
-- ARGV[2]  commit of the group
-- ARGV[3]  how long receipts are kept, in milliseconds
-- Returns the sequence and the receipt that stands: '', or 'refused'.

local standing = redis.call('HGET', KEYS[2], ARGV[2])
if standing then return { seq, standing } end
-- Its own gate is opened as long as it is undecided; a group that is decided has its receipt once it is through, which the caller hastens.
if gate and string.sub(gate, 1, 37) ~= '?' .. ARGV[2] then return { 'busy', gate } end

redis.call('UNLINK', KEYS[3]) -- first, since after it a full memory refuses nothing more: see staged.lua
redis.call('HSET', KEYS[2], ARGV[2], 'refused')
redis.call('PEXPIRE', KEYS[2], ARGV[3])
-- Counted, so that a server which has lost it is known to have gone back.
redis.call('SET', KEYS[1], nextSeq)
return { nextSeq, 'refused' }
