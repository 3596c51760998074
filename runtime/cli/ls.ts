import { Command } from 'commander'
import type { Backend, Ref } from '../../src/backend.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { put, say } from './output.js'

interface LsOptions extends CommonOptions {
  readonly class?: string
  readonly prefix?: string
  readonly all?: boolean
}

export const lsCommand = (): Command =>
  commonOptions(new Command('ls'))
    .description('list what is stored: alias, class, id')
    .option('--class <name>', 'only objects of this class: its whole id, or its name alone')
    .option('--prefix <text>', 'only aliases that begin with this')
    .option('--all', 'objects without an alias as well; not those that insitu makes for itself, such as parts of large fields')
    .addHelpText(
      'after',
      '\nExamples:\n  $ insitu ls\n  $ insitu ls --class Words --json\n  $ insitu ls --storage nvram:./data --prefix run-',
    )
    .action(async (_: unknown, command: Command) => ls(optionsOf(command)))

async function ls(options: LsOptions): Promise<void> {
  const { isNoStore, withStore } = await import('./open-store.js')
  const listing = withStore(options, async (backend) => {
    let lines = 0
    for await (const [alias, ref] of listed(backend, options)) {
      if (!ofClass(ref, options.class)) continue
      put(options.json, { alias, class: ref.classId, id: ref.id }, [alias, ref.classId, ref.id])
      lines++
    }
    if (lines === 0) say(`nothing to list in ${backend.url}`)
  })
  await listing.catch((error: unknown) => {
    if (!isNoStore(error)) throw error
    say(`nothing to list: ${error.message}`) // as before the first program has run
  })
}

async function* listed(backend: Backend, { prefix, all }: LsOptions): AsyncGenerator<readonly [string | null, Ref]> {
  const named = new Set<string>()
  for await (const page of backend.aliases({ prefix: prefix ?? '' })) {
    for (const [alias, ref] of page) {
      if (all) named.add(ref.id)
      yield [alias, ref]
    }
  }
  if (!all || prefix !== undefined) return
  for await (const page of backend.objects({})) for (const ref of page) if (!named.has(ref.id)) yield [null, ref]
}

/** Parts of large fields, origins of versions and homes of marks belong to other objects: they are shown to who asks for their class. */
const isInternal = (ref: Ref): boolean => ref.classId.startsWith('insitu#')

const ofClass = (ref: Ref, name: string | undefined): boolean =>
  (name === undefined && !isInternal(ref)) || ref.classId === name || ref.classId.endsWith(`#${name}`)
