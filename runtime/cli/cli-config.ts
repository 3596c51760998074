import type { Command } from 'commander'

/** Options that every command takes. */
export interface CommonOptions {
  readonly storage?: string
  readonly json?: boolean
}

export const commonOptions = (command: Command): Command =>
  command
    .option('--storage <url>', 'the store, e.g. nvram:./data (default: INSITU_STORAGE, the config file, else nvram:.insitu)')
    .option('--json', 'data as lines of JSON')

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
