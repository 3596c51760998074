/** The classes of the suite. A module of its own, so that worker threads can import it. */
import { StorageDict, StorageObject, StorageSets, t, task } from '../../runtime/index.js'

export class Item extends StorageObject {
  text = ''
  n = 0
  list: number[] = []
}

export class SpecialItem extends Item {
  extra = 'special'
}

/** Has the same fields as `Item` and is another class. */
export class Lookalike extends StorageObject {
  text = ''
  n = 0
  list: number[] = []
}

export class Anything extends StorageObject {
  value: unknown = null
  second: unknown = null
}

export class Dog extends StorageObject {
  name = ''
}

export class Person extends StorageObject {
  name = ''
  age = 0
  dog: Dog | null = null
  friends: Person[] = []
  computers: { model: string; year: number }[] = []
}

export class Family extends StorageObject {
  head: Person | null = null
  members: Person[] = []
}

export class Counter extends StorageObject {
  n = 0

  @task.method({ target: 'INOUT' }) async increment(by: number): Promise<number> {
    this.n += by
    return this.n
  }

  @task.method() async doubled(): Promise<number> {
    return this.n * 2
  }
}

/** Stale saves go through while they touch other fields. */
export class Profile extends StorageObject {
  static merge = 'fields'
  name?: string = ''
  nick: unknown = null
  mail: unknown = null
  seen = 0
}

/** The same with state that only `store` and `restore` know. */
export class SealedProfile extends StorageObject {
  static merge = 'fields'
  static restore({ name, seen }: { name: string; seen: number }): SealedProfile {
    return new SealedProfile(name, seen)
  }
  #name: string
  #seen: number
  constructor(name = '', seen = 0) {
    super()
    this.#name = name
    this.#seen = seen
  }
  store(): { name: string; seen: number } {
    return { name: this.#name, seen: this.#seen }
  }
  restore({ name, seen }: { name: string; seen: number }): void {
    this.#name = name
    this.#seen = seen
  }
  become(name: string): void {
    this.#name = name
  }
  see(): void {
    this.#seen++
  }
}

/** Plain values: no StorageObjects. */
export class Point {
  x: number
  y: number
  constructor(x = 0, y = 0) {
    this.x = x
    this.y = y
  }
  norm(): number {
    return Math.hypot(this.x, this.y)
  }
}

export class Shape extends StorageObject {
  static fields = { centre: () => Point, corners: () => Point }
  centre = new Point()
  corners: Point[] = []
}

export class Cached extends StorageObject {
  static transient = ['cache']
  kept = 'kept'
  cache: Map<string, string> | undefined = new Map([['made', 'by the constructor']])
}

/** Cannot be made without arguments; says itself how it comes back. */
export class Strict extends StorageObject {
  static restore(fields: { name: string }): Strict {
    return new Strict(fields.name)
  }
  name: string
  constructor(name: string) {
    super()
    if (typeof name !== 'string') throw new TypeError('a name is needed')
    this.name = name
  }
}

/** State that nobody sees from outside. */
export class Vault extends StorageObject {
  static restore({ code }: { code: number }): Vault {
    return new Vault(code)
  }
  #code: number
  constructor(code = 0) {
    super()
    this.#code = code
  }
  store(): { code: number } {
    return { code: this.#code }
  }
  opensWith(code: number): boolean {
    return code === this.#code
  }
}

/** Can be made, but never again: neither arguments with defaults nor `restore`. */
export class Lost extends StorageObject {
  name: string
  constructor(name: string) {
    super()
    this.name = name.toUpperCase()
  }
}

export class Sparse extends StorageObject {
  never: string | undefined
  given = 'default'
}

export class Counts extends StorageObject {
  title = ''
  counts = new StorageDict({ word: t.text }, { n: t.i64 })
}

export class Journal extends StorageObject {
  rows = new StorageDict({ day: t.text, at: t.i64 }, { note: t.text, mood: t.i32.optional() }, { partition: ['day'] })
}

export class Measures extends StorageObject {
  rows = new StorageDict(
    { name: t.text },
    {
      small: t.i32.optional(),
      big: t.i64.optional(),
      single: t.f32.optional(),
      double: t.f64.optional(),
      yes: t.bool.optional(),
      bytes: t.blob.optional(),
      text: t.text.optional(),
      at: t.timestamp.optional(),
      day: t.date.optional(),
      time: t.time.optional(),
      uuid: t.uuid.optional(),
      nothing: t.text.nullable().optional(),
      tags: t.set(t.text).optional(),
    },
  )
}

export class IntKeys extends StorageObject {
  rows = new StorageDict({ k: t.i32 }, { v: t.i32 })
}

export class Totals extends StorageObject {
  rows = new StorageDict({ name: t.text }, { hits: t.counter, note: t.text.optional() })
}

export class Owners extends StorageObject {
  rows = new StorageDict({ name: t.text }, { person: t.ref(() => Person) })
}

/** Two collections and a reference that it does not own. */
export class Library extends StorageObject {
  books = new StorageDict({ title: t.text }, { year: t.i32 })
  lent = new StorageDict({ title: t.text }, { to: t.text })
  keeper: Person | null = null
}

export class Texts extends StorageObject {
  lines: string[] = []
}

export class Tally extends StorageObject {
  counts = new Map<string, number>()
}

export class Grid extends StorageObject {
  rows: number[] = []
}

export type Books = ReturnType<typeof booksOf>
export function booksOf(...titles: readonly string[]): StorageDict<{ title: typeof t.text }, { pages: typeof t.i32 }> {
  const books = new StorageDict({ title: t.text }, { pages: t.i32 })
  for (const title of titles) books.set({ title }, { pages: title.length })
  return books
}

/** Counters that are added to at once, in a dict that stands alone. */
export class Visits extends StorageDict.of({ page: t.text }, { n: t.counter }, { writes: 'counters' }) {}

export class Index extends StorageObject {
  files = new StorageSets({ word: t.text }, t.text)
  further: StorageSets<{ word: typeof t.text }, string, string> | null = null
}

export const routesOf = (): StorageDict<{ n: typeof t.i32 }, { stops: ReturnType<typeof stopsOf> }> =>
  new StorageDict({ n: t.i32 }, { stops: stopsOf() })
const stopsOf = () => t.list(t.record({ name: t.text, at: t.record({ x: t.f64, y: t.f64.optional() }) }))

export class Routes extends StorageObject {
  routes = routesOf()
  further: ReturnType<typeof routesOf>[] = []
}

/** A field that is empty at first stands before the one in which the constructor makes a collection. */
export class Twofold extends StorageObject {
  first: Books | null = null
  books = booksOf()
  list: Books[] = []
}

/** Its constructor makes no collection; they come later, also into what its fields hold. */
export class Shelf extends StorageObject {
  books: Books | null = null
  more: Books[] = []
  named = new Map<string, { books: Books }>()
  next: Shelf | null = null
}
