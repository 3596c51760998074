import type { Damage, Report } from './protocol.js'

/** Collects what is wrong with a lane, with the reasons in words. */
export class Findings {
  readonly #count = { lost: 0, torn: 0, doubled: 0 }
  readonly #why: string[] = []

  add(kind: keyof Damage, why: string): void {
    this.#count[kind]++
    this.#why.push(`${kind}: ${why}`)
  }

  /** Compares numbers of steps that stand with those that were acknowledged and begun. */
  steps(standing: readonly number[], acknowledged: readonly number[], begun: readonly number[]): void {
    const seen = new Set<number>()
    const known = new Set([...acknowledged, ...begun])
    for (const n of standing) {
      if (seen.has(n)) this.add('doubled', `step ${n} stands twice`)
      if (!known.has(n)) this.add('torn', `step ${n} was never begun`)
      seen.add(n)
    }
    for (const n of acknowledged) if (!seen.has(n)) this.add('lost', `step ${n} was acknowledged`)
  }

  found(standing: readonly number[]): Extract<Report, { say: 'found' }> {
    return { say: 'found', damage: this.#count, why: this.#why, standing }
  }
}
