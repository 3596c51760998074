import { PROCESSES, randomPrograms, type Setup } from './runtime-setups.js'

/** Workers and agents are killed while programs run. */
const SETUPS: readonly Setup[] = [
  { name: 'three hosts, whose agents are killed', storage: 'nvram', env: { INSITU_HOSTS: '3' }, wishes: { kills: true }, programs: 3 },
  {
    name: 'three hosts in two stores, whose agents are killed',
    storage: 'nvram+nvram',
    env: { INSITU_HOSTS: '3' },
    wishes: { kills: true, deletes: false },
    programs: 3,
  },
  {
    name: 'two processes, memory, that are killed',
    storage: 'memory',
    env: PROCESSES,
    wishes: { kills: true, keepsLarge: true },
    programs: 3,
  },
  {
    name: 'two processes, two files, that are killed',
    storage: 'nvram+nvram',
    env: PROCESSES,
    wishes: { kills: true, keepsLarge: true, deletes: false },
    programs: 3,
  },
]

for (const setup of SETUPS) randomPrograms(setup)
