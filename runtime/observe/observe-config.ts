import { resolve } from 'node:path'

/** The folder for what the runtime leaves on disk beside the data: INSITU_STATE, else `.insitu` where the program was started. */
export const stateDir = (): string => resolve(process.env['INSITU_STATE'] ?? '.insitu')
