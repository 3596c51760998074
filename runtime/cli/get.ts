import { Command, InvalidArgumentError } from 'commander'
import type { Backend } from '../../src/backend.js'
import { CorruptError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import { fieldsOf, type ShownDict, valueOfCell } from './classless.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { UsageError } from './exit-codes.js'
import { toJson } from './output.js'
import { plain } from './plain-json.js'

interface GetOptions extends CommonOptions {
  readonly rows: number
}

export const getCommand = (): Command =>
  commonOptions(new Command('get'))
    .description("print an object's fields as JSON; its class is not needed")
    .argument('<alias|id>')
    .option('--rows <n>', 'of each dict, the first n rows', count, 0)
    .addHelpText(
      'after',
      '\nWith --json: on one line.\n\nExamples:\n  $ insitu get experiment1\n  $ insitu get result1 --rows 10 --json | jq .counts.rows',
    )
    .action(async (what: string, _: unknown, command: Command) => get(what, optionsOf(command)))

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is needed')
  return Number(text)
}

async function get(what: string, { rows, ...options }: GetOptions): Promise<void> {
  const { storedObject, withStore } = await import('./open-store.js')
  await withStore(options, async (backend) => {
    const dicts = new Map<string, ShownDict>()
    const fields = fieldsOf((await storedObject(backend, what)).cells, (dict) => dicts.set(dict.table, dict))
    const found = new Map<string, readonly unknown[]>()
    if (rows > 0) for (const [table, dict] of dicts) found.set(table, await rowsOf(backend, dict, rows))
    process.stdout.write(`${textOf(what, () => plain(fields, { rows: found }), options.json ? undefined : 2)}\n`)
  })
}

function textOf(what: string, value: () => unknown, indent: number | undefined): string {
  try {
    return toJson(value(), indent)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UsageError(`${what} is too large or too deep for one text of JSON: \`insitu show\` has its fields, a program can load it`)
  }
}

async function rowsOf(backend: Backend, { table: name }: ShownDict, limit: number): Promise<readonly unknown[]> {
  const id = name as TableId
  const table = await backend.table(id)
  if (!table)
    throw new CorruptError(`table ${name} is missing in ${backend.url}: its object was being deleted, or the store is damaged`, {
      table: name,
    })
  const rows: unknown[] = []
  for await (const page of backend.scan({ in: id, limit })) {
    for (const { key, values } of page) {
      const cells = [
        ...table.keys.map((column, i) => [column.name, key[i]] as const),
        ...table.values.map((column, i) => [column.name, values[i]] as const),
      ]
      rows.push(
        Object.fromEntries(cells.filter(([, cell]) => cell !== undefined).map(([column, cell]) => [column, plain(valueOfCell(cell))])),
      )
    }
  }
  return rows
}
