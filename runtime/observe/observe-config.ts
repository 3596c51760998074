import { join, resolve } from 'node:path'

/** Where runs that can be gone on with keep what they have done. */
export const checkpointDir = (): string => join(stateDir(), 'checkpoints')

/** The folder for what the runtime leaves on disk beside the data: INSITU_STATE, else `.insitu` where the program was started. */
export const stateDir = (): string => resolve(process.env['INSITU_STATE'] ?? '.insitu')
