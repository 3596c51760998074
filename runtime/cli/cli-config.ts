import type { Command } from 'commander'
import { isIdText, newId } from '../../src/ids.js'
import { HOSTS_MAX } from '../hosts/host-ids.js'
import { UsageError } from './exit-codes.js'
import { say } from './output.js'

/** Options that every command takes. */
export interface CommonOptions {
  readonly storage?: string
  readonly json?: boolean
}

export const commonOptions = (command: Command): Command =>
  command
    .option('--storage <url>', 'the store, e.g. nvram:./data (default: INSITU_STORAGE, the config file, else nvram:.insitu)')
    .option('--json', 'data as lines of JSON')

/** What was said before the command's name and after it; where both say something, after it. */
export const optionsOf = <T>(command: Command): T => ({ ...command.optsWithGlobals(), ...command.opts() }) as T

/** Makes a store the default of programs that this process imports or starts. They read the environment, as without this command line. */
export function useStorage(url: string | undefined): void {
  if (url !== undefined) process.env['INSITU_STORAGE'] = url
}

/** An environment for child processes on a store and with a state folder of their own. */
export const childEnvironment = (storage: string, stateFolder: string): NodeJS.ProcessEnv => ({
  ...process.env,
  INSITU_STORAGE: storage,
  INSITU_STATE: stateFolder,
})

/** How a program's tasks are run. */
export interface RunSettings {
  readonly hosts?: string
  readonly placement?: string
  readonly isolation?: string
  readonly run?: string
}

/** As `useStorage`. @throws UsageError */
export function useRunSettings({ hosts, placement, isolation, run }: RunSettings): void {
  if (hosts !== undefined && !(Number.isInteger(Number(hosts)) && Number(hosts) >= 1 && Number(hosts) <= HOSTS_MAX))
    throw new UsageError(`--hosts takes a whole number from 1 to ${HOSTS_MAX}, not ${hosts}`)
  if (hosts !== undefined) process.env['INSITU_HOSTS'] = hosts
  if (placement !== undefined) process.env['INSITU_PLACEMENT'] = placement
  if (isolation !== undefined) process.env['INSITU_ISOLATION'] = isolation
  if (run !== undefined) process.env['INSITU_RUN'] = runOf(run)
}

function runOf(asked: string): string {
  if (isIdText(asked)) return asked
  if (asked !== 'new') throw new UsageError(`--run takes a run's id or new, not ${asked}`)
  const run = newId()
  say(`run ${run}`)
  return run
}
