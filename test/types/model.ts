import { StorageDict, StorageObject, t, task } from 'insitu'

export class Block extends StorageObject {
  text = ''

  @task.method()
  async size(): Promise<number> {
    return this.text.length
  }

  @task.method({ target: 'INOUT' })
  async append(text: string): Promise<void> {
    this.text += text
  }
}

export class Words extends StorageObject {
  title = ''
  blocks: Block[] = []
}

export class Result extends StorageObject {
  counts = new StorageDict({ word: t.text }, { n: t.i64 })
}

/** Rebuilt without arguments: all have defaults. */
export class Person extends StorageObject {
  constructor(
    public name = '',
    public age = 0,
  ) {
    super()
  }
}

/** Rebuilt by its own `restore`. */
export class Strict extends StorageObject {
  constructor(public name: string) {
    super()
  }
  static restore(fields: { name: string }): Strict {
    return new Strict(fields.name)
  }
}

/** Cannot be rebuilt. */
export class NeedsName extends StorageObject {
  constructor(public name: string) {
    super()
  }
}

export class Log extends StorageObject {
  rows = new StorageDict(
    { day: t.text, at: t.i64 },
    { hits: t.counter, note: t.text.optional(), who: t.ref(() => Person) },
    { partition: ['day'] },
  )
}
