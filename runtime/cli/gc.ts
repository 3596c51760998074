import { Command } from 'commander'
import type { Backend } from '../../src/backend.js'
import type { Garbage, GcReport } from '../../src/gc/index.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { UsageError } from './exit-codes.js'
import { whenInterrupted } from './interrupt.js'
import { bytes, goOnUnheard, put, say } from './output.js'

interface GcCommandOptions extends CommonOptions {
  readonly dryRun?: boolean
  readonly olderThan: string
  readonly referredBy?: readonly string[]
}

export const gcCommand = (): Command =>
  commonOptions(new Command('gc'))
    .description('remove what no alias leads to: objects, tables, chunks, copies of what is gone, old marks, intents of the dead')
    .option('--dry-run', 'say what would go, and change nothing')
    .option('--older-than <time>', 'what was made or written since stays, and what it refers to: 30s, 10m, 1h, 7d', '1h')
    .option('--referred-by <url...>', 'stores whose objects refer to this one: what they refer to stays')
    .addHelpText(
      'after',
      `
Programs may go on meanwhile. What a program holds for longer than --older-than without anything in a store that refers to it needs an alias.
References from other stores cannot be seen from here: name those stores.

Examples:
  $ insitu gc --dry-run
  $ insitu gc --older-than 1d --storage nvram:./data --json
  $ insitu gc --storage nvram:./accounts --referred-by nvram:./bank`,
    )
    .action(async (_: unknown, command: Command) => gc(optionsOf(command)))

async function gc({ dryRun = false, olderThan, referredBy = [], json, storage }: GcCommandOptions): Promise<void> {
  const olderThanMs = millisOf(olderThan)
  goOnUnheard()
  const signal = whenInterrupted()
  const { withStore } = await import('./open-store.js')
  const { collect } = await import('../../src/gc/index.js')
  await withStore({ ...(storage !== undefined && { storage }) }, (backend) =>
    withStores(referredBy, async (referringStores) => {
      const stores = new Map([backend, ...referringStores].map((one) => [one.url, one]))
      const report = await collect(backend, {
        olderThanMs,
        dryRun,
        referringStores,
        signal,
        onGarbage: (garbage) => print(garbage, dryRun, json),
        commit: { backendOf: (of) => (typeof of === 'string' ? backend : (stores.get(of.store ?? backend.url) ?? backend)) },
      })
      conclude(report, dryRun, json)
    }),
  )
}

async function withStores<T>(urls: readonly string[], body: (stores: readonly Backend[]) => Promise<T>): Promise<T> {
  const { openBackend } = await import('../open-backend.js')
  const { requireStanding } = await import('./open-store.js')
  const opened: Backend[] = []
  try {
    for (const url of urls) {
      await requireStanding(url)
      opened.push(await openBackend(url))
    }
    return await body(opened)
  } finally {
    for (const one of opened) await one.close()
  }
}

function print({ kind, name, classId, bytes: size }: Garbage, dryRun: boolean, json: boolean | undefined): void {
  const what = dryRun ? 'would remove' : 'removed'
  put(json, { [dryRun ? 'wouldRemove' : 'removed']: kind, name, class: classId ?? null, bytes: size ?? null }, [
    what,
    kind,
    name,
    classId ?? '-',
  ])
}

const PLURALS: Readonly<Record<string, string>> = { alias: 'aliases', copy: 'copies' }

function conclude({ counts, ...report }: GcReport, dryRun: boolean, json: boolean | undefined): void {
  if (json) put(true, { summary: { dryRun, ...counts, ...report } }, [])
  const all = Object.entries(counts).flatMap(([kind, count]) =>
    count > 0 ? [`${count} ${count === 1 ? kind : (PLURALS[kind] ?? `${kind}s`)}`] : [],
  )
  const what = all.length === 0 ? 'nothing to remove' : `${dryRun ? 'would remove' : 'removed'} ${all.join(', ')} (${bytes(report.bytes)})`
  say(`${what}; ${report.kept} objects are in use`)
  if (report.restored > 0) say(`${report.restored} objects were linked while they were being removed, and were given back`)
  for (const one of report.skipped)
    say(
      one === 'objects'
        ? 'objects were left alone: the store changes too quickly, try again later'
        : `this store cannot list its ${one}: left alone`,
    )
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `1.5h`, `0`. @throws UsageError */
function millisOf(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  const factor = UNITS[unit] ?? (Number(number) === 0 && number !== '' ? 0 : undefined)
  if (factor === undefined) throw new UsageError(`${text} is no time: write 30s, 10m, 1h or 7d`)
  return Number(number) * factor
}
