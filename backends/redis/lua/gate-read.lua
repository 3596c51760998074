-- Put in front of scripts that only look: while a large group is decided and not yet there as a whole, they would see a part of it.

if gate and string.byte(gate) == 33 then return { 'busy', gate } end
