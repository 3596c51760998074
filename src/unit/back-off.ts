import { setTimeout as sleep } from 'node:timers/promises'

/** Ten programs that hammer one object need many turns each; the pause grows to 30 ms, so this bounds a wait at about half a minute. */
export const TRIES_MAX = 1000

/** A random pause that grows: two that collided should not meet again. */
export const backOff = (attempt: number): Promise<void> => sleep(Math.random() * Math.min(30, 2 ** Math.min(attempt, 5)))
