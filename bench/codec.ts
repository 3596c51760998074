/** Fields to bytes and back, as a file keeps them, beside msgpackr and the structured clone of V8. Nothing is stored. */
import { deserialize, serialize } from 'node:v8'
import { Packr } from 'msgpackr'
import { decodeCells, encodeCells } from '../backends/memory/space.js'
import type { DecodeContext, EncodeContext } from '../src/codec/contexts.js'
import { decodeFields, encodeFields } from '../src/codec/values.js'
import { type Bench, type Benchmark, mustEqual, perSecond, type Sample } from './harness.js'

type Fields = Record<string, unknown>

interface Case {
  readonly name: string
  readonly make: () => Fields
  /** Times in one sample. */
  readonly times: number
  /** Something that must have come back. */
  readonly probe: (fields: Fields) => unknown
}

const CASES: readonly Case[] = [
  { name: 'object of 20 fields', make: twenty, times: 20_000, probe: (fields) => JSON.stringify(fields) },
  {
    name: 'typed array of 1 MiB',
    make: () => ({ values: Float64Array.from({ length: 2 ** 17 }, (_, i) => i / 7) }),
    times: 100,
    probe: ({ values }) => (values as Float64Array)[99_999],
  },
  { name: 'nested graph', make: graph, times: 1000, probe: ({ root }) => JSON.stringify(root) },
]

/** Half texts, half numbers, as records of an application are. */
function twenty(): Fields {
  const fields: Fields = {}
  for (let i = 0; i < 10; i++) fields[`text${i}`] = `the text of field ${i}`
  for (let i = 0; i < 10; i++) fields[`number${i}`] = i % 2 === 0 ? i * 1001 : i / 3
  return fields
}

/** 341 objects in four levels, each with a list and two values. */
function graph(): Fields {
  const node = (depth: number): unknown => ({
    name: `level ${depth}`,
    weight: depth / 3,
    children: depth === 0 ? [] : Array.from({ length: 4 }, () => node(depth - 1)),
  })
  return { root: node(4) }
}

const NOTHING_ELSE: EncodeContext & DecodeContext = {
  refOf: () => undefined,
  collectionOf: () => undefined,
  classOf: () => undefined,
  nested: () => undefined,
  resolve: () => undefined,
  collection: () => undefined,
}

interface Codec {
  encode(fields: Fields): Uint8Array
  decode(bytes: Uint8Array): Fields
}

const ours: Codec = {
  encode: (fields) => encodeCells(encodeFields(new Map(Object.entries(fields)), NOTHING_ELSE)),
  decode: (bytes) => Object.fromEntries(decodeFields(decodeCells(bytes), NOTHING_ELSE)),
}

const packr = new Packr({ moreTypes: true })

const RIVALS: Readonly<Record<string, Codec>> = {
  msgpackr: { encode: (fields) => packr.pack(fields), decode: (bytes) => packr.unpack(bytes) as Fields },
  'v8.serialize': { encode: (fields) => serialize(fields), decode: (bytes) => deserialize(bytes) as Fields },
}

const encoding =
  ({ make, times, probe }: Case, { encode, decode }: Codec): Sample =>
  async () => {
    const fields = make()
    let bytes = encode(fields)
    const figure = await perSecond(times, async () => {
      for (let n = 0; n < times; n++) bytes = encode(fields)
    })
    mustEqual(probe(decode(bytes)), probe(fields), 'what came back')
    return figure
  }

const decoding =
  ({ make, times, probe }: Case, { encode, decode }: Codec): Sample =>
  async () => {
    const bytes = encode(make())
    let fields = decode(bytes)
    const figure = await perSecond(times, async () => {
      for (let n = 0; n < times; n++) fields = decode(bytes)
    })
    mustEqual(probe(fields), probe(make()), 'what came back')
    return figure
  }

const each = (sample: (codec: Codec) => Sample): Readonly<Record<string, Sample>> =>
  Object.fromEntries(Object.entries(RIVALS).map(([name, codec]) => [name, sample(codec)]))

async function contests(bench: Bench): Promise<void> {
  for (const one of CASES) {
    const of = { unit: 'per s', better: 'higher' } as const
    await bench.contest({ ...of, case: `encode ${one.name}`, ours: encoding(one, ours), rivals: each((codec) => encoding(one, codec)) })
    await bench.contest({ ...of, case: `decode ${one.name}`, ours: decoding(one, ours), rivals: each((codec) => decoding(one, codec)) })
  }
}

export const codec: Benchmark = { name: 'codec', about: 'fields to bytes and back, beside msgpackr and v8.serialize', run: contests }
