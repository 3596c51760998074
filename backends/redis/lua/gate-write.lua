-- Put in front of scripts that change something: what a large group has looked at must stay as it is.

if gate then return { 'busy', gate } end
