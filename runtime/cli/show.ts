import { Command } from 'commander'
import type { Backend, Cell, Stored } from '../../src/backend.js'
import { encodeWire } from '../../src/codec/wire.js'
import { fieldsOf } from './classless.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { bytes, put, toJson } from './output.js'
import { plain } from './plain-json.js'

export const showCommand = (): Command =>
  commonOptions(new Command('show'))
    .description('show one object: its fields, sizes, names, and where it lies')
    .argument('<alias|id>')
    .addHelpText('after', '\nExamples:\n  $ insitu show experiment1\n  $ insitu show 01995f0e-7c1b-7d3a-9a54-0f2f6d1f4b11 --json')
    .action(async (what: string, _: unknown, command: Command) => show(what, optionsOf(command)))

async function show(what: string, options: CommonOptions): Promise<void> {
  const { aliasesOf, storedObject, withStore } = await import('./open-store.js')
  await withStore(options, async (backend) => {
    const stored = await storedObject(backend, what)
    const facts = { ...(await factsOf(backend, stored)), aliases: await aliasesOf(backend, stored.ref), fields: fieldFacts(stored) }
    if (options.json) put(true, facts, [])
    else print(facts)
  })
}

interface FieldFacts {
  readonly name: string
  readonly type: string
  readonly bytes: number
  readonly value: string
}

interface Facts {
  readonly id: string
  readonly class: string
  readonly aliases: readonly string[]
  readonly bytes: number
  readonly revision: number
  readonly commit: string
  readonly locations: readonly { readonly host: string; readonly role: string; readonly bytes: number }[]
  readonly fields: readonly FieldFacts[]
}

async function factsOf(backend: Backend, { ref, stamp, bytes: size }: Stored): Promise<Omit<Facts, 'aliases' | 'fields'>> {
  const [locations = []] = await backend.locate([ref])
  return { id: ref.id, class: ref.classId, bytes: size, revision: stamp.revision, commit: stamp.commit, locations }
}

/** Fields that share a value are stored as one cell under the first one's name; the others show no bytes of their own. */
const fieldFacts = ({ cells }: Stored): readonly FieldFacts[] =>
  [...fieldsOf(cells)].map(([name, value]) => ({ name, type: typeName(value), bytes: cellBytes(cells.get(name)), value: shortened(value) }))

const cellBytes = (cell: Cell | undefined): number => (cell === undefined ? 0 : encodeWire(cell).length)

const typeName = (value: unknown): string =>
  value === null ? 'null' : typeof value === 'object' ? (value.constructor?.name ?? 'object').replace(/^Shown/, '') : typeof value

const SHOWN_CHARACTERS = 60

function shortened(value: unknown): string {
  const text = toJson(plain(value, { most: SHOWN_CHARACTERS }))
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS - 1)}…` : text
}

function print({ fields, locations, aliases, ...facts }: Facts): void {
  const line = (name: string, value: unknown): void => put(false, {}, [name.padEnd(10), value])
  line('id', facts.id)
  line('class', facts.class)
  line('aliases', aliases.join(', ') || '(none)')
  line('size', bytes(facts.bytes))
  line('stamp', `revision ${facts.revision}, commit ${facts.commit}`)
  for (const { host, role, bytes: size } of locations) line('location', `${host} (${role}, ${bytes(size)})`)
  for (const { name, type, bytes: size, value } of fields) put(false, {}, ['field'.padEnd(10), name, type, bytes(size), value])
}
