import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { withoutSecrets } from '../../src/url-secrets.js'
import { folderOf } from '../hosts/hosts-folder.js'
import { captionOf, graphDot } from '../observe/graph-dot.js'
import { graphSvg } from '../observe/graph-svg.js'
import { stateDir } from '../observe/observe-config.js'
import { latestRunRecord, type RunRecord, readRunRecord } from '../observe/run-record.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { UsageError } from './exit-codes.js'
import { put, say } from './output.js'

interface GraphOptions extends CommonOptions {
  readonly run?: string
  readonly format: 'svg' | 'dot'
  readonly out?: string
}

export const graphCommand = (): Command =>
  commonOptions(new Command('graph'))
    .description('draw the task graph of a run')
    .option('--run <id>', 'which run (default: the one that started last in this folder, with --storage on that store)')
    .addOption(new Option('--format <format>', 'of the drawing').choices(['svg', 'dot']).default('svg'))
    .option('--out <file>', 'where to write it (default: stdout)')
    .addHelpText(
      'after',
      '\nWith --json: the run record itself, on one line.\n\nExamples:\n  $ insitu graph --out graph.svg\n  $ insitu graph --format dot | less',
    )
    .action(async (_: unknown, command: Command) => graph(optionsOf(command)))

async function graph({ run, format, out, json, storage }: GraphOptions): Promise<void> {
  const record = run === undefined ? await latestRunRecord(stateDir(), ranOn(storage)) : await readRunRecord(run)
  if (json) return put(true, { ...record }, [])
  const drawing = await drawn(record, format)
  if (out === undefined) return void process.stdout.write(drawing)
  await writeFile(out, drawing).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`the drawing cannot be written to ${out} (${error.code}): --out takes a file in a folder that is there`)
  })
  say(`the task graph of run ${record.run} (${record.program}) is in ${out}`)
}

/** Runs on a store, however its url names the folder; on any where none is named. */
function ranOn(storage: string | undefined): (record: RunRecord) => boolean {
  if (storage === undefined) return () => true
  const wanted = placeOf(storage)
  return (record) => placeOf(record.storage) === wanted
}

const placeOf = (url: string): string => folderOf(url.split('?', 1)[0]!) ?? withoutSecrets(url)

const drawn = async (record: RunRecord, format: 'svg' | 'dot'): Promise<string> =>
  format === 'dot' ? graphDot(record.graph, captionOf(record)) : graphSvg(record.graph, captionOf(record))
