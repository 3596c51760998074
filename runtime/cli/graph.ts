import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { captionOf, graphDot } from '../observe/graph-dot.js'
import { graphSvg } from '../observe/graph-svg.js'
import { latestRunRecord, type RunRecord, readRunRecord } from '../observe/run-record.js'
import { type CommonOptions, commonOptions } from './cli-config.js'
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
    .option('--run <id>', 'which run (default: the one that started last in this folder)')
    .addOption(new Option('--format <format>', 'of the drawing').choices(['svg', 'dot']).default('svg'))
    .option('--out <file>', 'where to write it (default: stdout)')
    .addHelpText(
      'after',
      '\nWith --json: the run record itself, on one line.\n\nExamples:\n  $ insitu graph --out graph.svg\n  $ insitu graph --format dot | less',
    )
    .action(async (_: unknown, command: Command) => graph(command.optsWithGlobals()))

async function graph({ run, format, out, json }: GraphOptions): Promise<void> {
  const record = run === undefined ? await latestRunRecord() : await readRunRecord(run)
  if (json) return put(true, { ...record }, [])
  const drawing = await drawn(record, format)
  if (out === undefined) return void process.stdout.write(drawing)
  await writeFile(out, drawing).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`the drawing cannot be written to ${out} (${error.code}): --out takes a file in a folder that is there`)
  })
  say(`the task graph of run ${record.run} (${record.program}) is in ${out}`)
}

const drawn = async (record: RunRecord, format: 'svg' | 'dot'): Promise<string> =>
  format === 'dot' ? graphDot(record.graph, captionOf(record)) : graphSvg(record.graph, captionOf(record))
