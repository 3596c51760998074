/** What is asked of the servers, seen where it goes to the driver. */
import { Client, type types } from 'cassandra-driver'

export interface Asked {
  readonly query: string
  /** Address and port of the node that is to answer, where one is. */
  readonly node: string | undefined
}

type Batch = (queries: readonly unknown[], options?: object) => Promise<types.ResultSet>

export const WHOLE_ROWS = 'SELECT * FROM'

type Execute = (query: string, params?: unknown, options?: { readonly host?: { readonly address: string } }) => Promise<types.ResultSet>

export class WatchedDriver {
  readonly asked: Asked[] = []
  /** Rows of the answers to what reads whole rows, as they come. */
  readonly pages: number[] = []
  /** Statements of each batch. */
  readonly batches: number[] = []
  readonly #execute = Client.prototype.execute
  readonly #batch = Client.prototype.batch

  constructor() {
    const { asked, pages, batches } = this
    const batch = this.#batch as Batch
    const batching: Batch = function (this: Client, queries, options) {
      batches.push(queries.length)
      return batch.call(this, queries, options)
    }
    Client.prototype.batch = batching as typeof Client.prototype.batch
    const execute = this.#execute as Execute
    const watching: Execute = async function (this: Client, query, params, options) {
      asked.push({ query, node: options?.host?.address })
      const result = await execute.call(this, query, params, options)
      if (query.startsWith(WHOLE_ROWS)) pages.push(result.rows.length)
      return result
    }
    Client.prototype.execute = watching as typeof Client.prototype.execute
  }

  end(): void {
    Client.prototype.execute = this.#execute
    Client.prototype.batch = this.#batch
  }
}
