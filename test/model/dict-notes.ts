/** Of dicts with `writes: 'cas'`: what each program has read of a row, and so whether its save must be a conflict, cannot be one, or may be. */
import type { Change, Fields, Rows } from './dict-oracle.js'
import { show } from './dict-types.js'

/** Which state of a row: a number of its own for each time it was written, 0 for no row. */
type Version = number

interface Note {
  /** What the program was shown last before it wrote. */
  read: Version | undefined
  /** What may have been read for it by the way: counts, scans that went past, what it wrote itself. */
  readonly maybe: Set<Version>
}

export class Notes {
  readonly #versions = new Map<string, Version>()
  /** Rows with counters that were added to: whether that changes a row is not said. */
  readonly #doubtful = new Set<string>()
  readonly #notes: [Map<string, Note>, Map<string, Note>] = [new Map(), new Map()]
  #next = 1

  constructor(readonly rows: Rows) {}

  versions(): ReadonlyMap<string, Version> {
    return new Map(this.#versions)
  }

  hasChanged(key: string, since: ReadonlyMap<string, Version>): boolean {
    return !this.#doubtful.has(key) && (since.get(key) ?? 0) !== this.#version(key)
  }

  #version(key: string): Version {
    return this.#versions.get(key) ?? 0
  }

  /** A change is stored. */
  stored({ do: what, key }: Change): void {
    const text = show(key)
    if (what === 'add') this.#doubtful.add(text)
    this.#versions.set(text, what === 'delete' ? 0 : this.#next++)
  }

  wrote(who: number, changes: readonly Change[]): void {
    for (const { key } of changes) {
      const note = this.#note(who, show(key))
      note.read = undefined
      note.maybe.clear()
      note.maybe.add(this.#version(show(key)))
    }
  }

  /** The program was shown these rows, or that there are none; those with writes of its own show nothing of what is stored. */
  shown(who: number, keys: readonly Fields[], pending: ReadonlySet<string>): void {
    for (const text of keys.map(show)) {
      const note = this.#note(who, text)
      if (pending.has(text)) note.maybe.add(this.#version(text))
      else {
        note.read = this.#version(text)
        note.maybe.clear()
      }
    }
  }

  /** Anything may have been read for the program by the way. */
  touched(who: number): void {
    for (const text of this.#versions.keys()) this.#note(who, text).maybe.add(this.#version(text))
  }

  /** What the program knew counts no more, or still. */
  forgot(who: number): void {
    for (const note of this.#notes[who]!.values()) {
      if (note.read !== undefined) note.maybe.add(note.read)
      note.read = undefined
    }
  }

  verdict(who: number, pending: readonly Change[]): 'conflict' | 'none' | 'either' {
    if (this.rows.shape.writes !== 'cas') return 'none'
    const keys = [...new Set(pending.filter((change) => change.do !== 'add').map(({ key }) => show(key)))]
    if (keys.some((key) => this.#mustConflict(who, key))) return 'conflict'
    return keys.some((key) => this.#mayConflict(who, key)) ? 'either' : 'none'
  }

  #mustConflict(who: number, key: string): boolean {
    const { read } = this.#note(who, key)
    return read !== undefined && read !== this.#version(key) && !this.#doubtful.has(key)
  }

  #mayConflict(who: number, key: string): boolean {
    const { read, maybe } = this.#note(who, key)
    const isOther = (version: Version): boolean => version !== this.#version(key)
    return this.#doubtful.has(key) || [...maybe].some(isOther) || (read !== undefined && isOther(read))
  }

  #note(who: number, key: string): Note {
    const notes = this.#notes[who]!
    const known = notes.get(key)
    if (known) return known
    const fresh: Note = { read: undefined, maybe: new Set() }
    notes.set(key, fresh)
    return fresh
  }
}
