/** Random programs: lists of actions, which name sessions, instances, aliases and fields by small numbers. */
import fc from 'fast-check'
import { NODE_CLASSES } from './objects-classes.js'
import type { IfExists } from './objects-model.js'
import { type Spec, specs } from './objects-values.js'

/** What changes fields of one instance in memory. `at` picks the instance. */
export type Change =
  | { readonly do: 'set'; readonly at: number; readonly field: string; readonly to: Spec }
  | { readonly do: 'link'; readonly at: number; readonly to: number }
  | { readonly do: 'share'; readonly at: number; readonly field: string; readonly from: string }
  | { readonly do: 'inPlace'; readonly at: number; readonly field: string; readonly how: number }
  | { readonly do: 'unset'; readonly at: number; readonly field: string }

/** What objects and names are asked to do; also inside a transaction. */
export type Act =
  | Change
  | { readonly do: 'new'; readonly cls: number }
  | { readonly do: 'persist'; readonly at: number; readonly alias: number | undefined; readonly ifExists: IfExists }
  | { readonly do: 'save'; readonly at: number }
  | { readonly do: 'reload'; readonly at: number; readonly discard: boolean }
  | { readonly do: 'load'; readonly at: readonly number[] }
  | { readonly do: 'byKey'; readonly cls: number; readonly key: number; readonly depth: number }
  | { readonly do: 'byKeys'; readonly keys: readonly number[] }
  | { readonly do: 'byAlias'; readonly cls: number; readonly alias: number; readonly depth: number }
  | { readonly do: 'addAlias'; readonly at: number; readonly alias: number }
  | { readonly do: 'removeAlias'; readonly at: number; readonly alias: number }
  | { readonly do: 'aliases'; readonly at: number }
  | { readonly do: 'delete'; readonly at: number; readonly deep: boolean }

export type Ending = 'well' | 'throws' | 'conflicts'

/** What a program does by itself only. */
export type Action =
  | Act
  | { readonly do: 'saveAll'; readonly at: readonly number[] }
  | { readonly do: 'newVersion'; readonly at: number }
  | { readonly do: 'consolidate'; readonly at: number }
  | { readonly do: 'update'; readonly at: number; readonly body: readonly Change[]; readonly ending: Ending }
  | { readonly do: 'transact'; readonly body: readonly Act[]; readonly check: boolean; readonly ending: Ending; readonly other: Step }
  | { readonly do: 'restart' }

export interface Step {
  readonly session: number
  readonly action: Action
}

const FIELDS = ['a', 'b', 'link', 'extra']
export const ALIASES = ['one', 'two', 'three']

const at = fc.nat(30)
const few = fc.array(at, { minLength: 1, maxLength: 3 })
const field = fc.constantFrom(...FIELDS)
const alias = fc.nat(ALIASES.length - 1)
/** Mostly what is found through the base, now and then what is not. */
const cls = fc.constantFrom(0, 0, 0, 1, 2, 2, 2, NODE_CLASSES.length - 1)
const asked = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, NODE_CLASSES.length - 1)
const depth = fc.nat(2)
const word = <T extends string>(text: T): fc.Arbitrary<T> => fc.constant(text)
const one = <T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> => ({ weight, arbitrary })

const changes = [
  one(5, fc.record({ do: word('set'), at, field, to: specs })),
  one(4, fc.record({ do: word('link'), at, to: at })),
  one(1, fc.record({ do: word('share'), at, field, from: field })),
  one(3, fc.record({ do: word('inPlace'), at, field, how: fc.nat(15) })),
  one(1, fc.record({ do: word('unset'), at, field })),
]
const change: fc.Arbitrary<Change> = fc.oneof(...changes)

const looks = [
  one(2, fc.record({ do: word('reload'), at, discard: fc.boolean() })),
  one(2, fc.record({ do: word('load'), at: few })),
  one(3, fc.record({ do: word('byKey'), cls: asked, key: at, depth })),
  one(1, fc.record({ do: word('byKeys'), keys: few })),
  one(4, fc.record({ do: word('byAlias'), cls: asked, alias, depth })),
  one(1, fc.record({ do: word('aliases'), at })),
]
const writes = [
  one(3, fc.record({ do: word('new'), cls })),
  one(
    5,
    fc.record({
      do: word('persist'),
      at,
      alias: fc.option(alias, { nil: undefined }),
      ifExists: fc.constantFrom('error' as const, 'open' as const, 'replace' as const),
    }),
  ),
  one(5, fc.record({ do: word('save'), at })),
  one(1, fc.record({ do: word('addAlias'), at, alias })),
  one(1, fc.record({ do: word('removeAlias'), at, alias })),
  one(1, fc.record({ do: word('delete'), at, deep: fc.boolean() })),
]
const act: fc.Arbitrary<Act> = fc.oneof(...changes, ...looks, ...writes)
const ending: fc.Arbitrary<Ending> = fc.constantFrom('well', 'well', 'throws', 'conflicts')
const actOfAny: fc.Arbitrary<Step> = fc.record({ session: fc.nat(2), action: act })

const action: fc.Arbitrary<Action> = fc.oneof(
  ...changes,
  ...looks,
  ...writes,
  one(2, fc.record({ do: word('saveAll'), at: few })),
  one(1, fc.record({ do: word('newVersion'), at })),
  one(1, fc.record({ do: word('consolidate'), at })),
  one(2, fc.record({ do: word('update'), at, body: fc.array(change, { maxLength: 3 }), ending })),
  one(5, fc.record({ do: word('transact'), body: fc.array(act, { maxLength: 6 }), check: fc.boolean(), ending, other: actOfAny })),
  one(1, fc.record({ do: word('restart') })),
)

export interface RandomProgram {
  /** Classes of what is there at first, one for each name. */
  readonly first: readonly number[]
  readonly steps: readonly Step[]
}

export const programs = (maxLength: number): fc.Arbitrary<RandomProgram> =>
  fc.record({
    first: fc.array(cls, { maxLength: ALIASES.length, size: 'max' }),
    steps: fc.array(fc.record({ session: fc.nat(2), action }), { minLength: 1, maxLength, size: 'max' }),
  })
