/** What the harness tells a child, and what a child reports, one line of JSON each. */

/** What went wrong, found by reading the store after a kill. */
export interface Damage {
  /** Acknowledged, and not there. */
  readonly lost: number
  /** Half there. */
  readonly torn: number
  /** There twice. */
  readonly doubled: number
}

export const NO_DAMAGE: Damage = { lost: 0, torn: 0, doubled: 0 }

export const sumOf = (a: Damage, b: Damage): Damage => ({ lost: a.lost + b.lost, torn: a.torn + b.torn, doubled: a.doubled + b.doubled })

/** The kinds of programs that are killed. */
export const KINDS = ['groups', 'objects', 'tasks', 'bank'] as const
/** On logical hosts there is one of its own. */
export type Kind = (typeof KINDS)[number] | 'hosts'

/** What the harness knows of a lane: a row of lives of one program on data of its own. */
export interface Lane {
  readonly kind: Kind
  readonly name: string
  /** Numbers of steps that were acknowledged. */
  readonly acknowledged: readonly number[]
  /** Steps that were begun and not acknowledged, with what is needed to send the same once more. */
  readonly begun: readonly Step[]
}

export interface Step {
  readonly n: number
  readonly with?: unknown
}

export type Report =
  /** The lane was read and found so; steps follow. */
  | { readonly say: 'found'; readonly damage: Damage; readonly why: readonly string[]; readonly standing: readonly number[] }
  | { readonly say: 'begun'; readonly step: Step }
  | { readonly say: 'done'; readonly n: number }
  /** The program was told that the step has failed: it must never stand. */
  | { readonly say: 'failed'; readonly n: number }
  /** The process of a host's agent; in the place of one that died. */
  | { readonly say: 'agent'; readonly pid: number; readonly replaces: boolean }

/** What a program of kind `groups` can do wrong on purpose, to see that the harness notices. */
export const FLAWS = { acknowledgesEarly: 'lost', splitsGroups: 'torn', forgetsCommitIds: 'doubled' } as const
export type Flaw = keyof typeof FLAWS

/**
 * The first line that a child reads on its stdin. Children wait for `committed` only: that is the level a kill must not break, and no disk slows
 * the kills down.
 */
export interface Order {
  readonly url: string
  readonly lane: Lane
  /** `check` only reads, `work` goes on until killed. */
  readonly mode: 'check' | 'work'
  readonly flaw?: Flaw
  /** Logical hosts that it runs on. */
  readonly hosts?: number
  /** When it kills agents of its hosts: each so long after the one before. */
  readonly agentKillsMs?: readonly number[]
}
