import { PROCESSES, randomPrograms, type Setup } from './runtime-setups.js'

/** Few programs each, the same each time. */
const SETUPS: readonly Setup[] = [
  { name: 'two threads, memory', storage: 'memory', env: { INSITU_WORKERS: '2' }, wishes: { dies: false }, programs: 16 },
  { name: 'one thread, memory', storage: 'memory', env: { INSITU_WORKERS: '1' }, wishes: { dies: false }, programs: 6 },
  { name: 'three threads, a file', storage: 'nvram', env: { INSITU_WORKERS: '3' }, wishes: { keepsLarge: true }, programs: 4 },
  { name: 'two processes, memory', storage: 'memory', env: PROCESSES, wishes: { keepsLarge: true }, programs: 4 },
  { name: 'two processes, a file', storage: 'nvram', env: PROCESSES, wishes: { dies: false }, programs: 3 },
  { name: 'three hosts', storage: 'nvram', env: { INSITU_HOSTS: '3' }, wishes: { dies: false }, programs: 4 },
  {
    name: 'two hosts without placement',
    storage: 'nvram',
    env: { INSITU_HOSTS: '2', INSITU_PLACEMENT: 'off' },
    wishes: { keepsLarge: true },
    programs: 3,
  },
  // What has begun is not stopped where each call is at its end before the next begins.
  { name: 'the runtime off', storage: 'memory', env: { INSITU_RUNTIME: 'off' }, wishes: { stops: false, dies: false }, programs: 10 },
]

for (const setup of SETUPS) randomPrograms(setup)
