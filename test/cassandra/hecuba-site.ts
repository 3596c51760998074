/** A keyspace in `layout=hecuba`, looked at through CQL, and written through it as Hecuba writes: a column at a time, without asking. */
import { type Client, types } from 'cassandra-driver'
import { v5 } from 'uuid'
import { connect, type Store } from '../../runtime/index.js'
import { Keyspace, rawClient, siteFor } from './kit.js'

export class HecubaSite {
  private constructor(
    readonly keyspace: Keyspace,
    readonly raw: Client,
    readonly store: Store,
    readonly url: string,
  ) {}

  static async open(context: Mocha.Context): Promise<HecubaSite> {
    const site = await siteFor(context)
    const raw = await rawClient(site)
    await raw.execute(`CREATE KEYSPACE IF NOT EXISTS hecuba WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`)
    const keyspace = await Keyspace.on(site)
    const url = `${keyspace.url}&layout=hecuba`
    return new HecubaSite(keyspace, raw, await connect(url), url)
  }

  async close(): Promise<void> {
    await this.store.close()
    await this.keyspace.drop()
    await this.raw.shutdown()
  }

  run<T>(body: () => Promise<T>): Promise<T> {
    return this.store.run(body)
  }

  /** What another program sees. */
  async elsewhere<T>(body: () => Promise<T>): Promise<T> {
    const other = await connect(this.url)
    try {
      return await other.run(body)
    } finally {
      await other.close()
    }
  }

  async cql(query: string, params: readonly unknown[] = []): Promise<readonly types.Row[]> {
    return (await this.raw.execute(query, [...params], { prepare: true })).rows
  }

  idOf(name: string): string {
    return v5(`${this.keyspace.name}.${name}`, v5.DNS)
  }

  async rowOf(table: string, id: string): Promise<types.Row | undefined> {
    return (await this.cql(`SELECT * FROM ${this.keyspace.name}.${table} WHERE storage_id = ?`, [id]))[0]
  }

  async noteOf(id: string): Promise<types.Row | undefined> {
    return (await this.cql('SELECT * FROM hecuba.istorage WHERE storage_id = ?', [id]))[0]
  }

  /** As `book.title = 'x'` in Python. */
  async write(table: string, name: string, column: string, value: unknown): Promise<void> {
    await this.cql(`INSERT INTO ${this.keyspace.name}.${table} (storage_id, ${column}) VALUES (?, ?)`, [this.idOf(name), value])
  }

  /** As `Class("name")` in Python, for a name that nobody has. */
  async make(className: string, name: string, columns: readonly (readonly [string, string])[]): Promise<void> {
    await this.cql('INSERT INTO hecuba.istorage (storage_id, class_name, name, tokens, columns) VALUES (?, ?, ?, ?, ?)', [
      this.idOf(name),
      className,
      `${this.keyspace.name}.${name}`,
      [],
      columns.map(([field, type]) => new types.Tuple(field, type)),
    ])
  }

  async count(): Promise<number> {
    let objects = 0
    for await (const page of this.store.backend.objects({})) objects += page.length
    return objects
  }
}
