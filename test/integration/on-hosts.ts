/** A store over three logical hosts in a folder of its own, as `insitu run --hosts 3` gives a program one. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, finish, type Store } from '../../runtime/index.js'
import { Cell } from './host-tasks.js'

export const HOSTS = ['host-1', 'host-2', 'host-3']

/** For the tests of a `describe`, opened before them and removed behind them. */
export class OnHosts {
  #scratch = ''
  #store: Store | undefined

  static forSuite(): OnHosts {
    const on = new OnHosts()
    before(async () => {
      on.#scratch = await mkdtemp(join(tmpdir(), 'insitu-on-hosts-'))
      await on.open()
    })
    after(async () => {
      await on.close()
      await rm(on.#scratch, { recursive: true, force: true })
    })
    return on
  }

  get folder(): string {
    return join(this.#scratch, 'store')
  }

  get url(): string {
    return `nvram:${this.folder}`
  }

  get store(): Store {
    return this.#store!
  }

  async open(): Promise<void> {
    process.env['INSITU_HOSTS'] = '3'
    this.#store = await connect(this.url)
  }

  /** From here on the program has no hosts, until `open`. */
  async close(): Promise<void> {
    await finish()
    delete process.env['INSITU_HOSTS']
  }
}

export const cellOf = (n = 0, bytes = 0): Cell => Object.assign(new Cell(), { n, bytes: new Uint8Array(bytes).fill(n) })
export const cellAt = (host: string, n = 0, bytes = 0): Promise<Cell> => cellOf(n, bytes).makePersistent(undefined, { host })
