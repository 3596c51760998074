import { Command } from 'commander'
import { UnsupportedError } from '../../src/errors.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { exitWhenInterrupted } from './interrupt.js'
import { goOnUnheard, put, say } from './output.js'

export const backupCommand = (): Command =>
  commonOptions(new Command('backup'))
    .description('copy the store, as of one moment, into a new folder; programs go on meanwhile')
    .argument('<folder>', 'must not exist, or be empty')
    .addHelpText(
      'after',
      `
To restore a file, open the folder, or a copy of it: it becomes a store of its own where it is first opened, on any machine. Of Redis the
folder gets one file for each master, by redis-cli, with all that the server holds; a Cluster takes no writes for some seconds meanwhile.
docs/care.md says how to restore each.

Examples:
  $ insitu backup /backups/monday
  $ cp -r /backups/monday ./data && insitu ls --storage nvram:./data
  $ insitu backup /backups/monday --storage redis://127.0.0.1`,
    )
    .action(async (folder: string, _: unknown, command: Command) => backup(folder, optionsOf(command)))

async function backup(folder: string, options: CommonOptions): Promise<void> {
  goOnUnheard()
  exitWhenInterrupted()
  const { withStore } = await import('./open-store.js')
  await withStore(options, async ({ upkeep, url }) => {
    if (!upkeep?.backup)
      throw new UnsupportedError(
        url.startsWith('memory:')
          ? `${url} ends with its program: there is nothing to copy`
          : `${url} is not made of files: use its server's own backup`,
        { code: 'ERR_NO_BACKUP' },
      )
    await upkeep.backup(folder)
    put(options.json, { backup: folder, of: url }, [folder])
    const how = url.startsWith('nvram:')
      ? `\`insitu fsck --storage nvram:${folder}\` checks the copy`
      : 'docs/care.md says how servers are started on the copy'
    say(`${url} is copied; ${how}`)
  })
}
